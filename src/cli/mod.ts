/** The command line. */
export { COMMANDS, main, type MainOptions } from "./main.ts";
export type { Command, CommandCall } from "./command.ts";
export { errorLine } from "./report_error.ts";
export { grouped, plainLine, terminalLines } from "./progress.ts";
export { ProgressPrinter } from "./progress_printer.ts";
export { TerminalIo } from "./terminal_io.ts";
