/** placeholder */
import { ExitCode } from "../base/mod.ts";
export function dbImport(): Promise<ExitCode> {
  return Promise.resolve(ExitCode.RUNTIME);
}
export const dbExport = dbImport, dbInfo = dbImport, dbVerify = dbImport, runDemo = dbImport;
