/**
 * Writes src/machines/protocol/event-schema.json, the JSON Schema of each event, from the types in events.ts. With
 * `--check`, writes nothing and fails if the file is not current.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src/machines/protocol/events.ts');
const file = join(root, 'src/machines/protocol/event-schema.json');

const program = ts.createProgram([source], {
  strict: true,
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  exactOptionalPropertyTypes: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  noEmit: true,
  types: [],
});
const checker = program.getTypeChecker();
const definitions = new Map();

const wanted = JSON.stringify(eventSchemas(), null, 2);
if (!process.argv.includes('--check')) {
  writeFileSync(file, `${wanted}\n`);
  execFileSync(process.execPath, [
    join(root, 'node_modules/@biomejs/biome/bin/biome'),
    'format',
    '--write',
    file,
  ]);
} else if (JSON.stringify(JSON.parse(readFileSync(file, 'utf8')), null, 2) !== wanted) {
  console.error('event-schema.json is not current: run node scripts/write-event-schema.mjs');
  process.exitCode = 1;
}

function eventSchemas() {
  const module = checker.getSymbolAtLocation(program.getSourceFile(source));
  const union = checker.getExportsOfModule(module).find(({ name }) => name === 'AnyEvent');
  const events = new Map();
  for (const member of checker.getDeclaredTypeOfSymbol(union).types) {
    const name = checker.getTypeOfSymbol(member.getProperty('type')).value;
    // Repeats a whole state, which only the daemon can.
    if (name === 'history.continued') continue;
    const schema = objectSchema(member);
    const known = events.get(name) ?? [];
    if (!known.some((one) => JSON.stringify(one) === JSON.stringify(schema)))
      events.set(name, [...known, schema]);
  }
  const sorted = (map, pick) =>
    Object.fromEntries([...map.keys()].sort().map((name) => [name, pick(map.get(name))]));
  return {
    events: sorted(events, (all) => (all.length === 1 ? all[0] : { anyOf: all })),
    $defs: sorted(definitions, ({ schema }) => schema),
  };
}

function schemaOf(type) {
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
  const { flags } = type;
  if (flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' };
  if (flags & (ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral)) return { type: 'string' };
  if (flags & ts.TypeFlags.Number) return { type: 'number' };
  if (flags & ts.TypeFlags.Boolean) return { type: 'boolean' };
  if (flags & ts.TypeFlags.Null) return { type: 'null' };
  if (flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {};
  if (type.isUnion()) return unionSchema(type);
  if (checker.isArrayType(type)) return { type: 'array', items: schemaOf(checker.getTypeArguments(type)[0]) };
  if (checker.isTupleType(type)) return { type: 'array', items: unionOf(checker.getTypeArguments(type)) };
  if (flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return namedSchema(type);
  throw new Error(`no schema for the type ${checker.typeToString(type)}`);
}

function unionSchema(type) {
  const parts = type.types.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined));
  const literals = parts.filter((part) => part.isStringLiteral() || part.isNumberLiteral());
  const booleans = parts.filter(({ flags }) => flags & ts.TypeFlags.BooleanLiteral);
  const rest = parts.filter(
    (part) => !literals.includes(part) && !(booleans.length === 2 && booleans.includes(part)),
  );
  const all = [
    ...(literals.length > 0 ? [{ enum: literals.map(({ value }) => value).sort() }] : []),
    ...(booleans.length === 2 ? [{ type: 'boolean' }] : []),
    ...rest.map(schemaOf),
  ];
  return all.length === 1 ? all[0] : { anyOf: all };
}

/** The elements of a tuple, without their order. */
function unionOf(types) {
  const schemas = new Map(types.map(schemaOf).map((schema) => [JSON.stringify(schema), schema]));
  const [first, ...rest] = schemas.values();
  return rest.length === 0 ? first : { anyOf: [first, ...rest] };
}

/** Types with a name are written once. */
function namedSchema(type) {
  const generic = type.aliasTypeArguments !== undefined || (type.typeArguments ?? []).length > 0;
  const name = type.aliasSymbol?.name ?? type.symbol?.name ?? '__type';
  if (generic || name.startsWith('__')) return objectSchema(type);
  const known = definitions.get(name);
  if (known !== undefined && known.type !== type) return objectSchema(type);
  if (known === undefined) {
    const definition = { type, schema: {} };
    definitions.set(name, definition);
    definition.schema = objectSchema(type);
  }
  return { $ref: `#/$defs/${name}` };
}

function objectSchema(type) {
  const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
  if (index !== undefined) return { type: 'object', additionalProperties: schemaOf(index.type) };
  const properties = checker.getPropertiesOfType(type);
  const isRequired = ({ flags }) => !(flags & ts.SymbolFlags.Optional);
  return {
    type: 'object',
    properties: Object.fromEntries(
      properties.map((property) => [property.name, schemaOf(checker.getTypeOfSymbol(property))]),
    ),
    required: properties.filter(isRequired).map(({ name }) => name),
    additionalProperties: false,
  };
}
