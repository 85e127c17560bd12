// The options of every daemon's log.
import { logLevels } from './log-levels.ts';
import { anyOf, choice } from './option-kinds.ts';

export const logOptions = {
  'log-format': choice({ description: 'Format of the log: json or text', choices: ['json', 'text'], default: 'json' }),
  'log-level': choice({
    description: `Least severe messages to log: ${anyOf(logLevels)}`,
    choices: logLevels,
    default: 'info',
  }),
};
