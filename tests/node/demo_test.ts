/** `hsync demo` as a newcomer runs it: the real command in a process of its own. */
import assert from "node:assert/strict";
import { hsync } from "./support.ts";
import { recordedHash } from "./recording.ts";

const TIP = 426;

Deno.test("the demo syncs the recorded chain to its tip, says that certificates were verified, and succeeds", async () => {
  const { code, stdout, stderr } = await hsync(["demo"]);
  const said = `${stdout}\n${stderr}`;
  assert.equal(code, 0, said);
  assert.match(stdout, new RegExp(`^head +${TIP}$`, "m"), said);
  assert.match(stdout, new RegExp(`^hash +${recordedHash(TIP)}$`, "m"), said);
  assert.match(stdout, /^assurance +signed: .*certificate/m, said);
  assert.match(stdout, /the demo has passed$/m, said);
});
