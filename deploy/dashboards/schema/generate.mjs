// JSON schemas of all types that published.d.ts exports, as one JSON object by name, in schemas.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createGenerator } from 'ts-json-schema-generator';

const source = fileURLToPath(new URL('published.d.ts', import.meta.url));
const names = [...readFileSync(source, 'utf8').matchAll(/^export type (\w+)/gm)].map((found) => found[1]);
const generator = createGenerator({
  path: source,
  tsconfig: fileURLToPath(new URL('tsconfig.json', import.meta.url)),
  expose: 'none',
  topRef: false,
});
const schemas = Object.fromEntries(names.map((name) => [name, generator.createSchema(name)]));
writeFileSync(new URL('schemas.json', import.meta.url), JSON.stringify(schemas));
