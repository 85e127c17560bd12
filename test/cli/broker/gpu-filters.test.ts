// The flags of `gpubroker gpus search` are the filters of the API.
import { expect, test } from 'vitest';
import { gpuFilters, gpuSorts } from '../../../src/api/gpus.ts';
import { gpuFilterFlags, gpuSortFields } from '../../../src/cli/broker/gpu-filters.ts';

test('every filter and every field to sort by has its flag', () => {
  const filters = Object.entries(
    gpuFilters as Record<string, { enum?: string[]; type?: string; description?: string }>,
  );
  const expected = filters.map(([name, { enum: choices, type, description }]) => {
    const flag = { ...(description && { description }), ...(choices && { choices }) };
    if (type === 'boolean') return [name, { ...flag, isSwitch: true }];
    return [name, type === 'number' || type === 'integer' ? { ...flag, isNumber: true } : flag];
  });
  expect(gpuFilterFlags).toEqual(Object.fromEntries(expected));
  expect(gpuSortFields).toEqual([...gpuSorts]);
});
