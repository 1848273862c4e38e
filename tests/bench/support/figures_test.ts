import assert from "node:assert/strict";
import { type Figure, parseFigures, ratioOf, tableOf } from "./figures.ts";

const rows: Figure[] = [
  { what: "speed", value: 2_500, unit: "blocks/s", goal: 2_000 },
  { what: "delay", value: 100, unit: "ms", goal: 50, bound: "most" },
  { what: "size", value: 7.5, unit: "MiB" },
];

Deno.test("a ratio of one and more is good, whichever way the goal points", () => {
  assert.deepEqual(rows.map(ratioOf), [1.25, 0.5, undefined]);
});

Deno.test("figures survive the file between benchmark and runner", () => {
  assert.deepEqual(parseFigures(rows.map((row) => JSON.stringify(row) + "\n").join("")), rows);
});

Deno.test("the table names each benchmark and marks what missed its goal", () => {
  const table = tableOf(new Map([["some", rows], ["empty", []]]));
  assert.deepEqual(table.map((line) => line.trim().split(/\s{2,}/)), [
    ["measured", "goal", "ratio"],
    ["some"],
    ["speed", "2,500 blocks/s", "≥ 2,000", "1.25"],
    ["delay", "100 ms", "≤ 50.0", "0.50 ✗"],
    ["size", "7.50 MiB"],
    ["empty"],
  ]);
});
