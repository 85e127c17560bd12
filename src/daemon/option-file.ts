// The YAML file of `--config`: which options it gives, as texts.
import { readFileSync } from 'node:fs';
import { isScalar, isSeq, parseDocument } from 'yaml';
import {
  type CodedError,
  configUnreadable,
  messageOf,
  optionInvalid,
  optionRepeated,
  optionUnknown,
} from './errors.ts';
import type { OptionTable } from './option-kinds.ts';
import { nearest } from './suggestion.ts';

/** Reads the file; every problem goes into `errors`, and its key is left out. Keys in kebab-case or camelCase. */
export function readOptionFile(table: OptionTable, file: string, errors: CodedError[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  // A file cannot name another file.
  const names = Object.keys(table).filter((name) => name !== 'config');
  for (const [key, node] of readMapping(file, errors)) {
    const name = kebabCase(key);
    const option = names.includes(name) ? table[name] : undefined;
    if (!option) {
      errors.push(optionUnknown(key, `file ${file}`, nearest(name, names)));
    } else if (texts.has(name)) {
      errors.push(optionRepeated(name, `file ${file}`));
    } else {
      const text = textOf(node, option.repeatable);
      if (text === undefined) errors.push(optionInvalid(name, String(node), `file ${file}`, option.allowed));
      else texts.set(name, text);
    }
  }
  return texts;
}

/** The entries of the file's one mapping. */
function readMapping(file: string, errors: CodedError[]): (readonly [string, unknown])[] {
  try {
    // The failsafe schema keeps every value as it is written: `0660` stays `0660`, `5s` and `on` stay texts.
    const document = parseDocument(readFileSync(file, 'utf8'), { schema: 'failsafe', prettyErrors: true });
    const [problem] = document.errors;
    if (problem) throw new Error(problem.message.split('\n', 1)[0]?.replace(/:$/, ''));
    const { contents } = document;
    if (contents === null || (isScalar(contents) && !contents.value)) return [];
    if (!('items' in contents) || isSeq(contents))
      throw new Error('its top level is not a mapping of options to values');
    return contents.items.map((pair) => [String(pair.key), pair.value] as const);
  } catch (error) {
    errors.push(configUnreadable(file, messageOf(error)));
    return [];
  }
}

function textOf(node: unknown, repeatable: boolean): string | undefined {
  if (node === null) return '';
  if (isScalar(node)) return String(node.value ?? '');
  if (!repeatable || !isSeq(node)) return undefined;
  return node.items.every(isScalar) ? node.items.map((item) => textOf(item, false)).join(',') : undefined;
}

function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
