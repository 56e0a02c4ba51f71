// Reading and writing of whole files, and where they are.
import { randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** The directory with the contact file and the keys of a workflow. */
export const serviceDirectory = (workflow) => join(homedir(), "cylc-run", workflow, ".service");

/** The text of a file, or undefined if there is none. Throws if it cannot be read, or is not UTF-8. */
export async function readText(path) {
  let octets;
  try {
    octets = await readFile(path);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(octets);
}

/** Make a complete file appear in one step. */
export async function writeWhole(path, text, mode) {
  const temporary = `${path}.${randomBytes(4).toString("hex")}`;
  await writeFile(temporary, text, { mode, flag: "wx" });
  try {
    await rename(temporary, path);
  } catch (error) {
    // What is in the way is not a file.
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
  }
}
