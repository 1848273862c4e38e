/**
 * Figures that a benchmark leaves for the table at the end of `deno task bench`.
 *
 * Why it exists: each benchmark prints what a reader wants to see; the table needs the few figures that have a goal or
 * are quoted. What must stay true: a benchmark that runs alone behaves the same, only without a table.
 */

/** One row of the table. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What the value should reach; undefined: for information. */
  readonly goal?: number;
  /** `most`: the goal is an upper limit. Default `least`. */
  readonly bound?: "least" | "most";
}

/** Where the runner collects figures: a file of JSON lines. */
export const FIGURES_FILE = "HSYNC_BENCH_FIGURES";
const QUICK = "HSYNC_BENCH_QUICK";

/** True when the runner asked for a look instead of a measurement: sizes are cut, figures are rough. */
export const quick = Deno.env.get(QUICK) === "1";

/** The environment of a benchmark under the runner. */
export function benchEnvironment(file: string, quickly: boolean): Record<string, string> {
  return { [FIGURES_FILE]: file, [QUICK]: quickly ? "1" : "0" };
}

/** Leaves a figure for the table. */
export function figure(row: Figure): void {
  const file = Deno.env.get(FIGURES_FILE);
  if (file !== undefined) Deno.writeTextFileSync(file, JSON.stringify(row) + "\n", { append: true });
}

/** Figures as JSON lines. */
export function parseFigures(text: string): Figure[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const row = JSON.parse(line) as Figure;
    // JSON has no word for "not a number".
    return row.value === null ? { ...row, value: NaN } : row;
  });
}

/** Measured over goal, so that 1 and more is good; undefined without a goal. */
export function ratioOf(row: Figure): number | undefined {
  if (row.goal === undefined) return undefined;
  return row.bound === "most" ? row.goal / row.value : row.value / row.goal;
}

function number(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The table, one line a figure, under a line for each benchmark. */
export function tableOf(groups: ReadonlyMap<string, readonly Figure[]>): string[] {
  const rows = [...groups.values()].flat();
  const width = Math.max(6, ...rows.map((row) => row.what.length + 2));
  const line = (what: string, measured: string, goal: string, ratio: string) =>
    `${what.padEnd(width)} ${measured.padStart(20)} ${goal.padStart(14)} ${ratio.padStart(7)}`.trimEnd();
  const out = [line("", "measured", "goal", "ratio")];
  for (const [bench, figures] of groups) {
    out.push(bench);
    for (const row of figures) {
      const ratio = ratioOf(row);
      const goal = row.goal === undefined ? "" : `${row.bound === "most" ? "≤" : "≥"} ${number(row.goal)}`;
      out.push(
        line(
          `  ${row.what}`,
          `${number(row.value)} ${row.unit}`,
          goal,
          ratio === undefined ? "" : ratio.toFixed(2) + (ratio >= 1 ? "  " : " ✗"),
        ),
      );
    }
  }
  return out;
}

/** The goals in a sentence, and each that was missed by its name: for the end of the table. */
export function verdictOf(groups: ReadonlyMap<string, readonly Figure[]>): string[] {
  const missed: string[] = [];
  let goals = 0;
  for (const [bench, figures] of groups) {
    // Indented rows belong to the one above that is not.
    let head = "";
    for (const row of figures) {
      const part = row.what.startsWith(" ");
      if (!part) head = row.what;
      const name = part && head !== "" ? `${head}, ${row.what.trim()}` : row.what.trim();
      const ratio = ratioOf(row);
      if (ratio === undefined) continue;
      goals++;
      // NaN is a miss, too: whoever measured nothing has reached nothing.
      if (ratio >= 1) continue;
      const bound = row.bound === "most" ? "≤" : "≥";
      const value = `${number(row.value)} ${row.unit}`.trim();
      missed.push(`  ✗ ${bench}: ${name}: ${value}, goal ${bound} ${number(row.goal ?? NaN)}`);
    }
  }
  if (goals === 0) return [];
  if (missed.length === 0) return [goals === 1 ? "the goal was reached" : `all ${goals} goals were reached`];
  return [`${missed.length} of ${goals} goals missed:`, ...missed];
}
