// What a request may contain: exactly what its schema declares. Nothing is dropped, and in bodies nothing is converted.
import type { FastifyRequest, FastifyServerOptions, RouteOptions } from 'fastify';
import type { FieldProblem } from '../../../api/problem.ts';

/** More problems of one request are not told. */
const maxProblems = 20;
/** Objects and arrays in a body go no deeper; PostgreSQL and our own recursion have limits too. */
const maxDepth = 32;
/** Characters of a refused value that are told. */
const maxShown = 100;

/** Ajv's settings: as strict as it gets. */
export const ajvOptions: NonNullable<FastifyServerOptions['ajv']> = {
  customOptions: {
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: true,
    allErrors: true,
    verbose: true,
    strict: true,
    strictTypes: false,
    allowUnionTypes: true,
  },
  // The usual check lets leap seconds pass, which no Date can hold.
  onCreate: (ajv) => void ajv.addFormat('date-time', isTime),
};

const written = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** Whether a text is an instant of RFC 3339 that exists: there is no 30th of February. */
function isTime(text: string): boolean {
  if (!written.test(text) || Number.isNaN(Date.parse(text))) return false;
  const [day] = text.split(/[Tt]/, 1);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(`${day}`);
}

/** A request that its schema does not allow. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
  readonly problems: readonly FieldProblem[];

  constructor(problems: readonly FieldProblem[]) {
    super(problems.map(({ message }) => message).join('; '));
    this.problems = problems;
    delete this.stack;
  }
}

/** The part of JSON Schema that is looked at here. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: unknown;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  [keyword: string]: unknown;
}

/** Makes a route's schemas refuse what they do not name, and a route without a query schema refuse any query. */
export function closeSchemas(route: RouteOptions): void {
  const schema = route.schema as Record<string, unknown> | undefined;
  if (!schema) return;
  schema.querystring ??= schema.query ?? { type: 'object', properties: {} };
  delete schema.query;
  for (const part of ['body', 'querystring', 'params']) {
    if (schema[part]) schema[part] = closed(schema[part] as JsonSchema);
  }
}

function closed(schema: JsonSchema): JsonSchema {
  const copy: JsonSchema = { ...schema };
  if (copy.properties) {
    copy.properties = Object.fromEntries(Object.entries(copy.properties).map(([name, field]) => [name, closed(field)]));
    // The parts of an intersection each know only their own fields.
    copy.additionalProperties ??= false;
  }
  if (copy.items && !Array.isArray(copy.items)) copy.items = closed(copy.items);
  if (copy.anyOf) copy.anyOf = copy.anyOf.map(closed);
  return copy;
}

/** Query and path come as text: turned into the declared types where the text is one, else left to be refused. */
export function readText(values: Record<string, unknown>, schema: JsonSchema | undefined): void {
  for (const [name, field] of Object.entries(schema?.properties ?? {})) {
    if (!Object.hasOwn(values, name)) continue;
    const given = values[name];
    if (field.type === 'array') {
      const texts = Array.isArray(given) ? given : [given];
      values[name] = texts.map((text: unknown) => readOne(text, field.items));
    } else values[name] = readOne(given, field);
  }
}

function readOne(given: unknown, field: JsonSchema | undefined): unknown {
  if (typeof given !== 'string') return given;
  if (field?.type === 'integer' && /^-?\d{1,16}$/.test(given)) return Number(given);
  if (field?.type === 'number' && /^-?\d{1,16}(\.\d{1,16})?$/.test(given)) return Number(given);
  if (field?.type === 'boolean' && /^(true|false)$/.test(given)) return given === 'true';
  return given;
}

/**
 * Refuses text that the database cannot hold (NUL, half of a surrogate pair), and bodies nested too deeply.
 * @throws InvalidRequest
 */
export function checkText({ params, query, body }: Pick<FastifyRequest, 'params' | 'query' | 'body'>): void {
  const open: { value: unknown; path: string; depth: number }[] = [
    { value: params, path: 'params', depth: 0 },
    { value: query, path: 'query', depth: 0 },
    { value: body, path: 'body', depth: 0 },
  ];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path, depth } = next;
    if (typeof value === 'string' && !isText(value)) throw refusedText(path);
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= maxDepth) {
      const allowed = `at most ${maxDepth} levels of objects and arrays`;
      throw new InvalidRequest([{ field: 'body', allowed, message: `body: nested too deeply: give ${allowed}` }]);
    }
    for (const [name, inner] of Object.entries(value)) {
      if (!isText(name)) throw refusedText(path);
      open.push({
        value: inner,
        path: Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`,
        depth: depth + 1,
      });
    }
  }
}

function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function refusedText(field: string): InvalidRequest {
  const allowed = 'Unicode text without NUL';
  return new InvalidRequest([{ field, allowed, message: `${field}: not valid text: give ${allowed}` }]);
}

/** An error of Ajv, with `verbose`. */
interface SchemaError {
  keyword: string;
  instancePath: string;
  schemaPath?: string;
  params: Record<string, unknown>;
  message?: string | undefined;
  data?: unknown;
  parentSchema?: JsonSchema;
}

/** What Fastify throws for a request that its schema refuses. */
export function schemaErrorFormatter(errors: unknown[], part: string): InvalidRequest {
  const all = errors as SchemaError[];
  // A union that is refused says so itself; what its branches said each would only confuse.
  const unions = all.filter(({ keyword }) => keyword === 'anyOf');
  const inUnion = ({ keyword, schemaPath, instancePath }: SchemaError) =>
    keyword !== 'anyOf' &&
    unions.some(
      (union) => schemaPath?.startsWith(union.schemaPath ?? '#') && instancePath.startsWith(union.instancePath),
    );
  const told = all.filter((error) => !inUnion(error)).slice(0, maxProblems);
  return new InvalidRequest(told.map((error) => fieldProblem(error, part === 'querystring' ? 'query' : part)));
}

function fieldProblem(error: SchemaError, part: string): FieldProblem {
  const { keyword, params, data } = error;
  const extra = keyword === 'additionalProperties' ? String(params.additionalProperty) : undefined;
  const missing = keyword === 'required' ? String(params.missingProperty) : undefined;
  const at =
    part +
    error.instancePath
      .replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]')
      .replaceAll('/', '.')
      .replaceAll('~1', '/');
  const field = (extra ?? missing) ? `${at}.${extra ?? missing}` : at;
  const allowed = allowedBy(error);
  if (missing !== undefined) return { field, allowed, message: `${field}: is missing: give ${allowed}` };
  if (extra !== undefined) return { field, allowed, message: `${field}: is not known here: give ${allowed}` };
  // In the place of an object anything may stand, also what belongs into one of its fields.
  const value = allowed.includes('an object') ? undefined : shown(field, data);
  const what = value === undefined ? 'this' : JSON.stringify(value);
  const message = `${field}: ${what} is not allowed: give ${allowed}`;
  return value === undefined ? { field, allowed, message } : { field, value, allowed, message };
}

function allowedBy({ keyword, params, message, parentSchema = {} }: SchemaError): string {
  if (keyword === 'required') {
    const wanted = parentSchema.properties?.[String(params.missingProperty)];
    return wanted ? described(wanted) : 'a value';
  }
  if (keyword === 'additionalProperties') {
    const names = Object.keys(parentSchema.properties ?? {});
    return names.length > 0 ? `only ${names.join(', ')}` : 'nothing';
  }
  if (['type', 'enum', 'const', 'format', 'anyOf', 'pattern'].includes(keyword)) return described(parentSchema);
  return (
    message?.replace(/^must (be|have|match|NOT have) /, (_text, verb: string) => (verb === 'NOT have' ? 'not ' : '')) ??
    'another value'
  );
}

/** What a schema takes, in a few words. */
function described(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return `one of ${schema.enum.map((word) => String(word)).join(', ')}`;
  if (schema.anyOf) return [...new Set(schema.anyOf.map(described))].join(' or ');
  if (schema.type === 'string' && schema.format) return formats[String(schema.format)] ?? `a ${String(schema.format)}`;
  if (schema.type === 'string' && schema.pattern) return `text that matches ${String(schema.pattern)}`;
  if (schema.type === 'object') return 'an object';
  if (schema.type === 'array') return 'an array';
  if (schema.type === 'null') return 'null';
  if (schema.type === 'integer') return `a whole number${range(schema)}`;
  if (schema.type === 'number') return `a number${range(schema)}`;
  if (schema.type === 'string') return 'text';
  if (schema.type === 'boolean') return 'true or false';
  return 'what the schema in /openapi.json says';
}

function range({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  return minimum !== undefined ? ` of at least ${minimum}` : '';
}

const formats: Readonly<Record<string, string>> = {
  uuid: 'a UUID',
  'date-time': 'a time as 2026-01-05T09:30:00Z',
  email: 'an e-mail address',
  uri: 'a URI',
};

/** What may be told of a refused value: plain ones, short, and none of a field that may hold a secret. */
function shown(field: string, value: unknown): unknown {
  // A value in the place of the whole body has no name that could tell.
  if (field === 'body' || /pass|secret|token|credential|verifier|challenge|code|key|auth|url|redirect/i.test(field))
    return undefined;
  if (typeof value === 'string') return value.length > maxShown ? `${value.slice(0, maxShown).toWellFormed()}…` : value;
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined;
}
