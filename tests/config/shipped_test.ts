/** The files in `config/`: they load without a single notice and say what they mean to say. */
import assert from "node:assert/strict";
import { CATALOGUE } from "../../src/api/mod.ts";
import type { NetworkName } from "../../src/config/mod.ts";
import { load } from "./support.ts";

const read = (name: string) => Deno.readTextFileSync(new URL(`../../config/${name}`, import.meta.url));

Deno.test("each network's harmony.conf loads without notice and states the defaults of that network", () => {
  for (const network of ["mainnet", "testnet", "partner", "localnet"] satisfies NetworkName[]) {
    const loaded = load("", { file: read(`harmony-${network}.conf`) });
    assert.deepEqual(loaded.notices, [], network);
    const plain = load(`-n ${network} --shard 0`).config;
    assert.equal(loaded.config.network, network);
    assert.deepEqual(loaded.config.sync, plain.sync, network);
    assert.deepEqual(loaded.config.bootNodes, plain.bootNodes, network);
    assert.equal(loaded.config.prometheus.ip, "127.0.0.1");
  }
});

Deno.test("the unit does not restart after a configuration error and reloads the log on demand", () => {
  const unit = read("hsync.service");
  assert.match(unit, /^RestartPreventExitStatus=2 11 128$/m);
  assert.match(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
  assert.match(unit, /^Type=exec$/m);
  assert.match(unit, /^ExecStart=\S+hsync run -c \S+$/m);
  assert.ok(!/^ExecStartPre|^MemoryDenyWriteExecute=/m.test(unit));
});

interface Panel {
  readonly title: string;
  readonly targets?: ReadonlyArray<{ readonly expr: string }>;
}

/** Label names that a query asks a metric for. */
function selectors(expr: string): Array<readonly [metric: string, labels: string[]]> {
  return [...expr.matchAll(/\b(hmy_\w+?)(?:_bucket)?\{([^}]*)\}/g)].map((m) => [
    m[1] as string,
    [...(m[2] as string).matchAll(/(\w+)(?:=~?|!~?)"/g)].map((l) => l[1] as string),
  ]);
}

Deno.test("dashboard and rules ask only for labels that the metrics have", () => {
  const dashboard = JSON.parse(read("grafana-dashboard.json")) as { readonly panels: readonly Panel[] };
  const queries = dashboard.panels.flatMap((p) => p.targets?.map((t) => t.expr) ?? []);
  assert.ok(queries.length >= 30);
  for (const expr of [...queries, read("prometheus-rules.yml")]) {
    for (const [metric, labels] of selectors(expr)) {
      const spec = CATALOGUE.find((s) => s.name === metric);
      assert.ok(spec !== undefined, `${metric} in ${expr}`);
      for (const label of labels) {
        assert.ok(
          ["instance", "job", "le"].includes(label) || label in spec.labels,
          `${metric}{${label}} in ${expr}`,
        );
      }
    }
  }
});
