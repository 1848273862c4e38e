/**
 * A program that never stops by itself, for the tests of signals.
 *
 * Why it exists: only a process of its own can be sent signals.
 */
import { TerminalIo } from "../../src/cli/mod.ts";

const io = new TerminalIo({ progress: "off", color: false, quiet: true, secondSignalMs: 0 });
const alive = setInterval(() => {}, 1_000_000);
io.onReload(() => io.out("reload"));
io.onStop(() => {
  io.out("asked to stop");
  if (Deno.args[0] === "obedient") {
    clearInterval(alive);
    io.close();
  }
});
io.out("ready");
