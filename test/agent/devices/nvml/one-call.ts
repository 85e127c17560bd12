// A child process for tests: makes one call of the NVML source and prints what it returns.
import { createNvmlSource } from '../../../../src/agent/devices/nvml/source.ts';

const [library = '', index = '0'] = process.argv.slice(2);
const source = createNvmlSource({ library });
source.open();
console.log(JSON.stringify(source.check(Number(index))));
source.close();
