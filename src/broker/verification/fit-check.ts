// Whether a GPU of the inventory fits a request, by what is known of it and its newest measurement that could be judged.
import type { Fit, FitRequest } from '../../api/verifications.ts';
import { medianOf } from '../../score/figures.ts';
import { fitOf } from '../../score/fit.ts';
import type { Principal } from '../identity/principal.ts';
import type { RegistryContext } from '../registry/change.ts';
import { getGpu } from '../registry/gpu-changes.ts';
import { productNamed } from '../registry/products/products.ts';
import { readSamples } from './read.ts';
import { newestOf } from './standing.ts';

/** Checks every wish. @throws Refusal not-found */
export async function checkFit(
  context: RegistryContext,
  principal: Principal,
  id: string,
  request: FitRequest,
): Promise<Fit> {
  const { db } = context;
  const gpu = await getGpu(context, principal, id);
  // Those of a card that was there before say nothing.
  const measurement =
    gpu.measured_at === null ? undefined : await newestOf(db, id, 'measurement', ['passed', 'failed']);
  const samples = measurement ? await readSamples(db, measurement.id) : [];
  const figures = Object.fromEntries(samples.map((figure) => [figure.name, medianOf(figure.samples)]));
  const product = request.product === undefined ? {} : { product: productNamed(request.product).id };
  const { fits, checks } = fitOf({ ...gpu, figures }, { ...request, ...product });
  return { fits, checks: [...checks] };
}
