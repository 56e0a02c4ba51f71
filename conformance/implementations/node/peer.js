// Starts a program of this directory, adapter or serve, or tells the version:
// node peer.js adapter | serve [--paused] WORKFLOW | version
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PROGRAMS = ["adapter", "serve"];
const [program] = process.argv.splice(2, 1);
const here = fileURLToPath(new URL(".", import.meta.url));

if (program === "version") {
  const { version } = JSON.parse(readFileSync(`${here}package.json`, "utf8"));
  process.stdout.write(`${version} (Node.js ${process.version})\n`);
} else if (PROGRAMS.includes(program)) {
  try {
    await import(`./${program}.js`);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    process.stderr.write(`packages are missing (${error.message.split(" imported")[0]})\n`);
    process.stderr.write(`fix: npm ci --ignore-scripts --prefix ${here}\n`);
    process.exit(1);
  }
} else {
  process.stderr.write("usage: node peer.js adapter | serve [--paused] WORKFLOW | version\n");
  process.exit(2);
}
