// Clocks of Intel's cards, and why they are lower than they could be: of the first GT, which computes.
import type { ThrottleReason } from '../record.ts';
import type { Card } from '../sysfs/card.ts';

/** Where the drivers keep their files of one GT. */
interface GtFiles {
  readonly actual: string[];
  readonly highest: string[];
  /** What the names of throttle reasons begin with. */
  readonly throttle: string;
}

function gtFiles(card: Card): GtFiles {
  if (card.pci.driver === 'xe') {
    const folder = 'tile0/gt0/freq0';
    return {
      actual: [`${folder}/act_freq`],
      highest: [`${folder}/rp0_freq`, `${folder}/max_freq`],
      throttle: `${folder}/throttle/reason_`,
    };
  }
  const drm = card.drm() ?? 'drm/none';
  return {
    actual: [`${drm}/gt/gt0/rps_act_freq_mhz`, `${drm}/gt_act_freq_mhz`],
    highest: [`${drm}/gt/gt0/rps_RP0_freq_mhz`, `${drm}/gt_RP0_freq_mhz`],
    throttle: `${drm}/gt/gt0/throttle_reason_`,
  };
}

/** MHz now; 0 is a card at rest. */
export function actualMhz(card: Card): number | undefined {
  return card.firstInteger(...gtFiles(card).actual);
}

/** MHz at most. */
export function highestMhz(card: Card): number | undefined {
  return card.firstInteger(...gtFiles(card).highest) || undefined;
}

const reasons: readonly [file: string, reason: ThrottleReason][] = [
  ['pl1', 'power-cap'],
  ['pl2', 'power-cap'],
  ['pl4', 'power-cap'],
  ['vr_tdc', 'power-cap'],
  ['thermal', 'hardware-thermal'],
  ['prochot', 'hardware-thermal'],
  ['ratl', 'hardware-thermal'],
  ['vr_thermalert', 'hardware-thermal'],
];

/** Undefined where the driver does not say. */
export function throttleReasons(card: Card): ThrottleReason[] | undefined {
  const { throttle } = gtFiles(card);
  const said = reasons.map(([file, reason]) => ({ reason, value: card.integer(throttle + file) }));
  if (said.every(({ value }) => value === undefined)) return undefined;
  return [...new Set(said.filter(({ value }) => value).map(({ reason }) => reason))];
}
