// JSON schemas of all types that published.d.ts exports, as one JSON object by name, on standard output.
import { readFileSync } from 'node:fs';
import { createGenerator } from 'ts-json-schema-generator';

const source = new URL('published.d.ts', import.meta.url).pathname;
const names = [...readFileSync(source, 'utf8').matchAll(/^export type (\w+)/gm)].map((found) => found[1]);
const generator = createGenerator({
  path: source,
  tsconfig: new URL('tsconfig.json', import.meta.url).pathname,
  expose: 'none',
  topRef: false,
});
const schemas = Object.fromEntries(names.map((name) => [name, generator.createSchema(name)]));
process.stdout.write(JSON.stringify(schemas));
