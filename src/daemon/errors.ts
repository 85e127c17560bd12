// The one catalogue of errors that carry a code: what went wrong, and what to do next.

/** An error that a person can act on. Shown without a stack trace, for its text says enough. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  /** Stable, `GPUB_…`; documented, and safe to match on. */
  readonly code: string;
  /** What to do next, as one sentence. */
  readonly advice: string;

  constructor(code: string, message: string, advice: string) {
    super(message);
    this.code = code;
    this.advice = advice;
  }
}

type Text<Details extends unknown[]> = (...details: Details) => string;

const codes = new Set<string>();

/**
 * Adds an error to the catalogue and returns the function that makes one.
 * @throws Error if the code is taken.
 */
export function defineError<Details extends unknown[]>(
  code: `GPUB_${string}`,
  message: Text<Details>,
  advice: Text<Details>,
) {
  if (codes.has(code)) throw new Error(`error code ${code} is defined twice`);
  codes.add(code);
  return (...details: Details): CodedError => new CodedError(code, message(...details), advice(...details));
}

/** What any thrown value says. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

// Options.

/** A value that its option does not allow. `origin` says where it came from, `allowed` what it may be. */
export const optionInvalid = defineError(
  'GPUB_OPTION_INVALID',
  (key: string, value: string, origin: string, allowed: string) =>
    `${key}: "${value}" (from ${origin}) is not allowed: give ${allowed}`,
  (key) => `Correct ${key}; --help shows every option.`,
);

export const optionWithoutValue = defineError(
  'GPUB_OPTION_WITHOUT_VALUE',
  (key: string, allowed: string) => `${key}: --${key} has no value: give ${allowed}`,
  (key) => `Write --${key}=VALUE.`,
);

/** A default that depends on the user or the machine, and cannot be found out. */
export const optionWithoutDefault = defineError(
  'GPUB_OPTION_WITHOUT_DEFAULT',
  (key: string, reason: string) => `${key}: no value is given, and its default cannot be found: ${reason}`,
  (key) => `Give --${key}.`,
);

export const optionRepeated = defineError(
  'GPUB_OPTION_REPEATED',
  (key: string, origin: string) => `${key}: given more than once by ${origin}, but it takes one value`,
  (key) => `Give ${key} once.`,
);

/** `suggestion` is the nearest name that exists, or empty. */
export const optionUnknown = defineError(
  'GPUB_OPTION_UNKNOWN',
  (name: string, origin: string, suggestion: string) =>
    `${name}: no such option (from ${origin})${suggestion && `; did you mean ${suggestion}?`}`,
  () => '--help shows every option.',
);

export const argumentUnexpected = defineError(
  'GPUB_ARGUMENT_UNEXPECTED',
  (argument: string) => `"${argument}": only options are taken here`,
  () => '--help shows every option.',
);

/** Options that are each allowed but not together; `remedy` is what to change. */
export const optionConflict = defineError(
  'GPUB_OPTION_CONFLICT',
  (problem: string, remedy: string) => `${problem}: ${remedy}`,
  () => '`gpubroker config print` shows every option with its source.',
);

export const configUnreadable = defineError(
  'GPUB_CONFIG_UNREADABLE',
  (path: string, reason: string) => `config: cannot read ${path}: ${reason}`,
  () => 'Give --config the path of a YAML file whose keys are the names of the flags.',
);

/** Every error found in the options, together. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
  readonly errors: readonly CodedError[];

  constructor(errors: readonly CodedError[]) {
    super(errors.map((error) => error.message).join('\n'));
    this.errors = errors;
  }
}

// Listening.

export const addressInUse = defineError(
  'GPUB_ADDRESS_IN_USE',
  (what: string, address: string) => `${what}: ${address} is in use by another process`,
  (_what, address) => `Stop that process, or choose another address; \`ss -ltnp\` shows who listens on ${address}.`,
);

export const addressRefused = defineError(
  'GPUB_ADDRESS_REFUSED',
  (what: string, address: string, reason: string) => `${what}: cannot listen on ${address}: ${reason}`,
  () => 'Choose an address of this machine and a port that this user may open.',
);

// Running.

export const startFailed = defineError(
  'GPUB_START_FAILED',
  (step: string, reason: string) => `cannot start: ${step}: ${reason}`,
  () => 'Fix the cause and start again.',
);
