import assert from "node:assert/strict";
import { type Figure, parseFigures, ratioOf, tableOf, verdictOf } from "./figures.ts";

const rows: Figure[] = [
  { what: "speed", value: 2_500, unit: "blocks/s", goal: 2_000 },
  { what: "delay", value: 100, unit: "ms", goal: 50, bound: "most" },
  { what: "size", value: 7.5, unit: "MiB" },
];

Deno.test("a ratio of one and more is good, whichever way the goal points", () => {
  assert.deepEqual(rows.map(ratioOf), [1.25, 0.5, undefined]);
});

Deno.test("figures survive the file between benchmark and runner", () => {
  const nothing: Figure = { what: "waits", value: NaN, unit: "ms" };
  assert.deepEqual(parseFigures(JSON.stringify(nothing)), [nothing]);
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

Deno.test("after the table every missed goal stands by its name, and nothing measured is a miss", () => {
  const nothing: Figure = { what: "  waits", value: NaN, unit: "ms", goal: 9, bound: "most" };
  assert.deepEqual(verdictOf(new Map([["some", [...rows, nothing]], ["none", [nothing]]])), [
    "3 of 4 goals missed:",
    "  ✗ some: delay: 100 ms, goal ≤ 50.0",
    "  ✗ some: size, waits: NaN ms, goal ≤ 9.00",
    "  ✗ none: waits: NaN ms, goal ≤ 9.00",
  ]);
  assert.deepEqual(verdictOf(new Map([["some", rows.slice(0, 1)]])), ["the goal was reached"]);
  assert.deepEqual(verdictOf(new Map([["some", rows.slice(2)]])), []);
});
