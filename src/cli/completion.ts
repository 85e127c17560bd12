// `gpubroker completion`: scripts that complete commands and flags in a shell, made from the tree of commands.
import type { Command } from 'commander';
import { brokerOptions } from '../daemon/broker-options.ts';
import { devicePluginOptions } from '../daemon/device-plugin-options.ts';
import { agentOptions, cacheServerOptions } from '../daemon/node-options.ts';
import type { OptionTable } from '../daemon/option-kinds.ts';
import { upOptions } from '../daemon/up-options.ts';
import type { Shell } from './program.ts';

/** What may follow each command, by the words of the command: `` → gpus …, ` gpus` → list …. */
type Words = ReadonlyMap<string, readonly string[]>;

/** The script for one shell. */
export function completionScript(shell: Shell, program: Command): string {
  const words = collectWords(program, '', new Map());
  return { bash, zsh, fish }[shell](words);
}

function collectWords(command: Command, place: string, words: Map<string, readonly string[]>): Words {
  const visible = command.createHelp().visibleCommands(command);
  const flags = [...command.options.map(({ long }) => long ?? ''), '--help', ...daemonFlags(place)];
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  words.set(place, [...visible.map((child) => child.name()), ...choices, ...flags].filter(Boolean));
  for (const child of visible) collectWords(child, `${place} ${child.name()}`, words);
  return words;
}

/** By the place of the command. */
const tables: Readonly<Record<string, OptionTable>> = {
  ' agent': agentOptions.table,
  ' broker': brokerOptions.table,
  ' cache-server': cacheServerOptions.table,
  ' device-plugin': devicePluginOptions.table,
  ' up': upOptions.table,
  ' config print': agentOptions.table,
};

/** The flags that a daemon reads itself. */
function daemonFlags(place: string): string[] {
  return Object.keys(tables[place] ?? {}).map((name) => `--${name}`);
}

function bash(words: Words): string {
  return `# Completion of gpubroker for bash: source <(gpubroker completion bash)
_gpubroker() {
  local place='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$place $word" in
      ${places(words, '|')}) place="$place $word" ;;
    esac
  done
  case "$place" in
${cases(words)}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _gpubroker gpubroker
`;
}

function zsh(words: Words): string {
  return `#compdef gpubroker
# Completion of gpubroker for zsh: source <(gpubroker completion zsh)
_gpubroker() {
  local place='' word words_here=''
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place $word" in
      ${places(words, '|')}) place="$place $word" ;;
    esac
  done
  case "$place" in
${cases(words, 'words_here')}
  esac
  compadd -- \${=words_here}
}
compdef _gpubroker gpubroker
`;
}

function fish(words: Words): string {
  const branches = [...words].map(([place, list]) => `    case '${place}'\n      string split ' ' '${list.join(' ')}'`);
  return `# Completion of gpubroker for fish: gpubroker completion fish | source
function __gpubroker_words
  set -l place ''
  for word in (commandline -opc)[2..]
    switch "$place $word"
      case ${places(words, ' ')}
        set place "$place $word"
    end
  end
  switch "$place"
${branches.join('\n')}
  end
end
complete -c gpubroker -f -a '(__gpubroker_words)'
`;
}

function places(words: Words, separator: string): string {
  return [...words.keys()]
    .filter((place) => place !== '')
    .map((place) => `'${place}'`)
    .join(separator);
}

function cases(words: Words, variable = 'words'): string {
  return [...words].map(([place, list]) => `    '${place}') ${variable}='${list.join(' ')}' ;;`).join('\n');
}
