/**
 * Where each section and key of a TOML text stands.
 *
 * Why it exists: the parser gives values without positions, stops at a duplicate key, and stops at garbage in
 * sections that hsync passes over anyway; an operator needs line numbers and a node that starts
 * (config-cli-metrics.md §1.1). What must stay true: the scan never throws and never changes a line number; where
 * it is unsure the parser has the last word.
 */

/** One `key = value` of the text. */
export interface Entry {
  /** Section and key as written, quotes removed. */
  readonly path: readonly string[];
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** Offsets of the whole entry in the text. */
  readonly start: number;
  readonly end: number;
}

/** One `[section]` header. */
export interface Header {
  readonly path: readonly string[];
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

export interface Scan {
  readonly entries: readonly Entry[];
  readonly headers: readonly Header[];
}

/** Names of a dotted key: `a."b.c".d` gives three. */
function dotted(text: string): string[] {
  const out: string[] = [];
  for (const m of text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([^.\s]+)/g)) {
    out.push(m[1] ?? m[2] ?? m[3] ?? "");
  }
  return out;
}

/** Offset after the string that opens at `at`. */
function skipString(text: string, at: number): number {
  const quote = text[at] as string;
  const triple = quote.repeat(3);
  if (text.startsWith(triple, at)) {
    for (let i = at + 3; i < text.length; i++) {
      if (quote === '"' && text[i] === "\\") i++;
      else if (text.startsWith(triple, i)) return i + 3;
    }
    return text.length;
  }
  for (let i = at + 1; i < text.length; i++) {
    if (quote === '"' && text[i] === "\\") i++;
    else if (text[i] === quote) return i + 1;
    else if (text[i] === "\n") return i;
  }
  return text.length;
}

function endOfLine(text: string, at: number): number {
  const n = text.indexOf("\n", at);
  return n < 0 ? text.length : n;
}

/** Offset of the end of the value that begins at `at`: end of line outside strings and brackets. */
function skipValue(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length;) {
    const c = text[i] as string;
    if (c === '"' || c === "'") i = skipString(text, i);
    else if (c === "#") i = endOfLine(text, i);
    else if (c === "\n" && depth <= 0) return i;
    else {
      if (c === "[" || c === "{") depth++;
      if (c === "]" || c === "}") depth--;
      i++;
    }
  }
  return text.length;
}

/** Finds every header and entry. */
export function scanToml(text: string): Scan {
  const entries: Entry[] = [];
  const headers: Header[] = [];
  let section: readonly string[] = [];
  let line = 1;
  let lineStart = 0;
  let counted = 0;
  const locate = (offset: number) => {
    for (; counted < offset; counted++) {
      if (text[counted] === "\n") {
        line++;
        lineStart = counted + 1;
      }
    }
    return { line, column: offset - lineStart + 1 };
  };
  for (let at = 0; at < text.length;) {
    const c = text[at] as string;
    if (c === " " || c === "\t" || c === "\r" || c === "\n") {
      at++;
      continue;
    }
    if (c === "#") {
      at = endOfLine(text, at);
      continue;
    }
    const position = locate(at);
    if (c === "[") {
      const end = endOfLine(text, at);
      const inner = /^\[\[?\s*(.*?)\s*\]/.exec(text.slice(at, end))?.[1] ?? "";
      // Each element of an array of tables is a section of its own, so its keys are no duplicates.
      section = text.startsWith("[[", at) ? [...dotted(inner), `#${headers.length}`] : dotted(inner);
      headers.push({ path: section, line: position.line, start: at, end });
      at = end;
      continue;
    }
    let equals = at;
    while (equals < text.length && text[equals] !== "=" && text[equals] !== "\n") {
      const k = text[equals] as string;
      equals = k === '"' || k === "'" ? skipString(text, equals) : equals + 1;
    }
    const end = text[equals] === "=" ? skipValue(text, equals + 1) : endOfLine(text, at);
    const key = text[equals] === "=" ? dotted(text.slice(at, equals)) : [];
    entries.push({ path: [...section, ...key], ...position, start: at, end });
    at = end;
  }
  return { entries, headers };
}

/** The text with everything between two offsets turned into spaces; line breaks stay where they are. */
export function blank(text: string, start: number, end: number): string {
  return text.slice(0, start) + text.slice(start, end).replace(/[^\n]/g, " ") + text.slice(end);
}
