/**
 * The program: hands the command line over and sets the exit code; nothing else.
 */
import { main } from "./src/cli/mod.ts";

Deno.exit(await main(Deno.args));
