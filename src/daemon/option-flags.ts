// The command line of a daemon: which flags were given, and the text of `--help`.
import yargs, { type Argv } from 'yargs';
import { argumentUnexpected, type CodedError, optionRepeated, optionUnknown, optionWithoutValue } from './errors.ts';
import type { OptionTable } from './option-kinds.ts';
import { nearest } from './suggestion.ts';

/** Texts that flags gave, by option. */
type FlagTexts = ReadonlyMap<string, string>;

/** Whether the arguments ask for the help text. */
export function asksForHelp(argv: readonly string[]): boolean {
  return argv.some((argument) => argument === '--help' || argument === '-h');
}

/** Reads the flags; every problem goes into `errors`, and its flag is left out. */
export function readFlags(table: OptionTable, argv: readonly string[], errors: CodedError[]): FlagTexts {
  const { _: positional, $0: _script, ...given } = parser(table).parseSync([...argv]);
  for (const argument of positional) errors.push(argumentUnexpected(String(argument)));
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    const option = table[name];
    if (!option) {
      errors.push(optionUnknown(dashed(name), 'the command line', suggestFlag(table, name)));
      continue;
    }
    const values = Array.isArray(value) ? value : [value];
    if (values.length > 1 && !option.repeatable) errors.push(optionRepeated(name, `flag --${name}`));
    else if (values.includes(true) && !option.isSwitch) errors.push(optionWithoutValue(name, option.allowed));
    else texts.set(name, values.join(','));
  }
  return texts;
}

/** What `--help` shows. */
export async function helpText(
  command: string,
  summary: string,
  table: OptionTable,
  examples: readonly (readonly [command: string, description: string])[],
): Promise<string> {
  const help = parser(table)
    .scriptName(command)
    .usage(`Usage: $0 [options]\n\n${summary}`)
    .option('help', { alias: 'h', describe: 'Show this text' })
    .example(examples.map(([example, description]) => [example, description] as [string, string]))
    .epilogue(
      'Every option can also come from the environment (--shutdown-delay as GPUBROKER_SHUTDOWN_DELAY or ' +
        'DEVICE_API_SHUTDOWN_DELAY) or from the YAML file of --config (shutdown-delay: 5s). ' +
        'Flags win over the environment, the environment over the file.',
    )
    .wrap(100);
  return `${await help.getHelp()}\n`;
}

/**
 * yargs with every option as a plain text: the kinds of this program read it, and judge it the same wherever it comes
 * from. yargs itself would take `--flag=maybe` for false and `--port 1e3` for a number.
 */
function parser(table: OptionTable): Argv {
  const flags = yargs([]).locale('en').help(false).version(false).exitProcess(false).parserConfiguration({
    'boolean-negation': false,
    'camel-case-expansion': false,
    'dot-notation': false,
    'duplicate-arguments-array': true,
    'parse-numbers': false,
    'parse-positional-numbers': false,
    'strip-aliased': true,
  });
  for (const [name, { description, fallbackText }] of Object.entries(table)) {
    flags.option(name, { describe: description, defaultDescription: fallbackText });
  }
  return flags;
}

function suggestFlag(table: OptionTable, name: string): string {
  const positive = name.startsWith('no-') ? name.slice(3) : '';
  if (table[positive]?.isSwitch) return `--${positive}=false`;
  const best = nearest(
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    Object.keys(table),
  );
  return best && `--${best}`;
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
