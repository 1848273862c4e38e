/**
 * Cuts a stream of text into lines.
 *
 * Why it exists: processes speak in lines, pipes in pieces. What must stay true: a last line without an end counts,
 * an empty one does not.
 */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(piece, out) {
        const lines = (rest + piece).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") out.enqueue(line);
      },
      flush(out) {
        if (rest !== "") out.enqueue(rest);
      },
    });
  }
}
