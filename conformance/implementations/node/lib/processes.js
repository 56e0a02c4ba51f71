// Whether the process of a server is dead (section 11.1).
import { execFile } from "node:child_process";
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { promisify } from "node:util";

/** The arguments of a process as one text; undefined if they cannot be told. */
export async function commandLine(pid) {
  try {
    const octets = await readFile(`/proc/${pid}/cmdline`);
    return octets.toString("utf8").replace(/\0$/, "").replaceAll("\0", " ");
  } catch {
    try {
      const { stdout } = await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)]);
      return stdout.replace(/\n$/, "");
    } catch {
      return undefined;
    }
  }
}

async function isHere(host) {
  if (host === hostname() || host === "localhost") return true;
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((addresses) => addresses.map((one) => one.address)),
  );
  let timer;
  try {
    const found = await Promise.race([
      lookup(host, { all: true }),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error("too slow")), 2000);
      }),
    ]);
    return found.some(({ address }) => own.has(address) || address.startsWith("127."));
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether it is proved that the process of a contact is dead. */
export async function isDead({ fields, host }) {
  const pid = fields.get("CYLC_WORKFLOW_PID");
  if (!/^[1-9][0-9]{0,9}$/.test(pid ?? "") || !(await isHere(host))) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code === "ESRCH") return true;
  }
  const command = fields.get("CYLC_WORKFLOW_COMMAND");
  if (command === undefined) return false;
  const running = await commandLine(pid);
  if (running === undefined) return false;
  const words = (text) => text.split(/\s+/).filter(Boolean).join(" ");
  return words(running) !== words(command);
}
