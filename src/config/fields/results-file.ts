/** `results` of a test stage: a path, which is a TAP file, or a mapping that names the format. */
import { RESULTS_FORMATS, type ResultsSpec } from '../../machines/model/domain.ts';
import { FieldError } from './field-error.ts';
import { describe, field, notOneOf, readInteger, readText } from './fields.ts';
import { treePath } from './validators.ts';

const EXPECTED = { min: 1, max: 1_000_000 } as const;
const FORM = '{format: subunit, file: PATH}';

export function resultsFile({ about }: { readonly about: string }) {
  const path = { type: 'string' };
  const properties = {
    format: { type: 'string', enum: RESULTS_FORMATS },
    file: path,
    expected: { type: 'integer', minimum: EXPECTED.min, maximum: EXPECTED.max },
  };
  const mapping = { type: 'object', properties, required: ['format', 'file'], additionalProperties: false };
  const title = 'path in the work tree, or {format: tap or subunit, file: PATH, expected: NUMBER}';
  const meta = { title, description: about, oneOf: [path, mapping], default: null };
  return field(meta, (value): ResultsSpec | null | FieldError => {
    if (value === null) return null;
    return typeof value === 'string' ? readSpec({ format: 'tap', file: value }) : readSpec(value);
  });
}

function readSpec(value: unknown): ResultsSpec | FieldError {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new FieldError(`must be a path or a mapping, not ${describe(value)}`, `write PATH or ${FORM}`);
  const { format, file, expected, ...more } = value as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) return new FieldError(`has the unknown key "${unknown}"`, `write ${FORM}`);
  if (format === undefined) return new FieldError('names no format', `write ${FORM}`);
  if (file === undefined) return new FieldError('names no file', `write ${FORM}`);
  const known = RESULTS_FORMATS.find((candidate) => candidate === format);
  if (known === undefined) return within('format', notOneOf(format, RESULTS_FORMATS));
  const path = readText(file, treePath);
  if (path instanceof FieldError) return within('file', path);
  if (expected === undefined) return { format: known, file: path };
  const least = readInteger(expected, EXPECTED);
  return least instanceof FieldError
    ? within('expected', least)
    : { format: known, file: path, expected: least };
}

function within(key: string, { what, next }: FieldError): FieldError {
  return new FieldError(`${key}: ${what}`, next);
}
