/** The documents in `schemas/`, which are the same whether this runs from `src` or from `dist`. */
import { readFileSync } from 'node:fs';

const directory = new URL('../../../schemas/', import.meta.url);

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** Throws if the file is missing or not JSON: the installation is then broken. */
export function readSchema(file: string): JsonObject {
  return JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as JsonObject;
}
