/** Signals: the first asks, the second ends, SIGHUP reloads. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

interface Program {
  /** Waits for a line that contains the text, on either output. */
  seen(text: string): Promise<void>;
  signal(name: Deno.Signal): void;
  readonly end: Promise<{ readonly code: number; readonly err: string }>;
}

async function start(argument: string): Promise<Program> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      fileURLToPath(new URL("./waiting_program.ts", import.meta.url)),
      argument,
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  let err = "";
  let wake = () => {};
  const read = async (stream: ReadableStream<Uint8Array>, isError: boolean) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const part = decoder.decode(bytes, { stream: true });
      text += part;
      if (isError) err += part;
      wake();
    }
  };
  const done = Promise.all([read(child.stdout, false), read(child.stderr, true), child.status]);
  let ended = false;
  const end = done.then(([, , status]) => {
    ended = true;
    wake();
    return { code: status.code, err };
  });
  const program: Program = {
    seen: async (wanted) => {
      while (!text.includes(wanted)) {
        assert.ok(!ended, `it ended without saying "${wanted}": ${text}`);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    signal: (name) => child.kill(name),
    end,
  };
  await program.seen("ready");
  return program;
}

Deno.test({
  name: "the first signal asks the program to stop, and it ends with 0 when it obeys",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      const program = await start("obedient");
      program.signal("SIGHUP");
      await program.seen("reload");
      program.signal(name);
      await program.seen("asked to stop");
      assert.equal((await program.end).code, 0, name);
    }
  },
});

Deno.test({
  name: "a second signal ends it at once with 255 and one error line",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const program = await start("stubborn");
    program.signal("SIGTERM");
    await program.seen("asked to stop");
    program.signal("SIGTERM");
    const { code, err } = await program.end;
    assert.equal(code, 255);
    const lines = err.split("\n").filter((l) => l.startsWith("error:"));
    assert.equal(lines.length, 1, err);
    assert.match(lines[0] ?? "", /second signal; hint: /);
  },
});
