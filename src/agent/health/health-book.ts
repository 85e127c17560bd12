// The health of all devices of a node: leads looks and events to the devices that they concern.
//
// An event that names a MIG instance concerns that instance alone; what concerns a whole GPU concerns every instance of
// it as well. An event that names no device concerns all of its source, for nobody can say which of them is well.
import type { DeviceEvent } from '../devices/source.ts';
import type { DeviceView } from '../devices/view.ts';
import { DeviceFindings, type DeviceFindingsOptions } from './device-findings.ts';
import { classOf, findingOfEvent, findingOfXid, type XidSettings } from './events.ts';
import { type Finding, keyOf } from './finding.ts';
import { type Witness, Witnesses } from './witnesses.ts';
import type { XidClass } from './xids.ts';

/** Devices that are remembered, also those that are gone and were not well. */
const MAX_DEVICES = 1_024;

export interface HealthBookOptions extends DeviceFindingsOptions {
  readonly xids: XidSettings;
  /** Told of every XID once, whoever reported it. */
  readonly onXid: (code: number, found: XidClass | 'ignored') => void;
}

interface Known {
  readonly health: DeviceFindings;
  source?: string;
  /** As it is shown; absent where only events have named it, and once it is gone. */
  view?: Pick<DeviceView, 'source' | 'record'>;
}

/** The health of the devices of a node, by their uuids in any case. */
export class HealthBook {
  readonly #options: HealthBookOptions;
  readonly #devices = new Map<string, Known>();
  readonly #witnesses: Witnesses;
  /** Sources whose driver is away. */
  readonly #away = new Set<string>();

  constructor(options: HealthBookOptions) {
    this.#options = options;
    this.#witnesses = new Witnesses(options.clock);
  }

  /** Takes a look at a device; returns the uuids of those whose findings may have changed, in lower case. */
  look(view: DeviceView): string[] {
    const device = this.#device(view.uuid);
    if (!device) return [];
    const { source, record } = view;
    device.source = source;
    device.view = { source, record };
    this.#watchDriver(view);
    const parent = record.parent === undefined ? undefined : this.#devices.get(keyed(record.parent));
    const wasReset = device.health.look(view, parent?.health.action);
    const instances = this.#instancesOf(view.uuid);
    if (wasReset) for (const uuid of instances) this.#devices.get(uuid)?.health.wasReset();
    return [keyed(view.uuid), ...instances];
  }

  /** Takes what a driver, or the kernel's log, reports; returns as {@link look} does. */
  report(source: string, event: DeviceEvent, witness: Witness = 'driver'): string[] {
    const isNew = event.kind !== 'xid' || this.#witnesses.isFirst(witness, event);
    if (!isNew) return [];
    if (event.kind === 'xid') this.#options.onXid(event.data, classOf(event.data, this.#options.xids));
    const concerned = this.#concerned(source, event);
    for (const uuid of concerned) this.#strike(uuid, event);
    return concerned.flatMap((uuid) => [uuid, ...this.#instancesOf(uuid)]);
  }

  /** Whatever is the matter with a device, with what is the matter with the device of which it is a part. */
  findings(uuid: string): Finding[] {
    const device = this.#devices.get(keyed(uuid));
    if (!device) return [];
    const own = device.health.findings();
    const parent = device.view?.record.parent;
    const shared = parent === undefined ? [] : (this.#devices.get(keyed(parent))?.health.findings() ?? []);
    const all = [...own, ...shared.filter(({ type }) => type !== 'MIGEnabled')];
    return [...new Map(all.map((finding) => [keyOf(finding), finding])).values()];
  }

  /** Takes over what was the matter with a device before the agent was restarted. */
  remember(uuid: string, findings: readonly Finding[], rebooted: boolean): void {
    if (findings.length === 0 || this.#devices.size >= MAX_DEVICES) return;
    const health = new DeviceFindings(this.#options, findings);
    if (rebooted) health.wasReset();
    this.#devices.set(keyed(uuid), { health });
  }

  /**
   * An operator says that a device was reset where nobody saw it: of what failed of it and of its instances, that counts
   * as the sight of a reset.
   *
   * @returns the uuids as {@link look} does, and how long they have to be quiet; undefined where nothing has failed
   */
  declareReset(uuid: string): { readonly concerned: string[]; readonly quietPeriod: number } | undefined {
    const concerned = [keyed(uuid), ...this.#instancesOf(uuid)];
    const failed = concerned.flatMap((one) => this.#devices.get(one)?.health ?? []).filter((one) => one.hasFailed);
    if (failed.length === 0) return undefined;
    for (const health of failed) health.wasReset();
    return { concerned, quietPeriod: Math.max(...failed.map((health) => health.quietPeriod)) };
  }

  /** The driver shows a device no more that is still there; returns as {@link look} does. */
  unshown(uuid: string): string[] {
    this.#devices.get(keyed(uuid))?.health.hit(notEnumerated);
    return [keyed(uuid), ...this.#instancesOf(uuid)];
  }

  /** A device is gone. What was the matter with it is remembered: it does not heal by being away. */
  remove(uuid: string): void {
    const device = this.#devices.get(keyed(uuid));
    if (device?.health.isRemarkable) delete device.view;
    else this.#devices.delete(keyed(uuid));
  }

  /** The devices that a source shows, for whoever knows one by another name than its uuid. */
  *shown(): Iterable<{ readonly uuid: string; readonly view: Pick<DeviceView, 'source' | 'record'> }> {
    for (const [uuid, { view }] of this.#devices) if (view) yield { uuid, view };
  }

  #device(uuid: string): Known | undefined {
    const key = keyed(uuid);
    const known = this.#devices.get(key);
    if (known || this.#devices.size >= MAX_DEVICES) return known;
    const device = { health: new DeviceFindings(this.#options) };
    this.#devices.set(key, device);
    return device;
  }

  /** A driver that was away and answers again was loaded anew: also for devices that it does not show yet. */
  #watchDriver({ source, state }: DeviceView): void {
    if (state === 'driver-gone') this.#away.add(source);
    if (state !== 'ok' || !this.#away.delete(source)) return;
    for (const device of this.#devices.values()) {
      if (!device.view && device.source === source) device.health.wasReset();
    }
  }

  #strike(uuid: string, { kind, data }: DeviceEvent): void {
    const { xids } = this.#options;
    const finding = kind === 'xid' ? findingOfXid(data, xids) : findingOfEvent(kind);
    const health = this.#device(uuid)?.health;
    if (finding) health?.hit(finding);
    if (kind === 'xid' && classOf(data, xids) === 'contained') health?.contained();
  }

  #concerned(source: string, { uuid, gpuInstance, computeInstance }: DeviceEvent): string[] {
    if (uuid === undefined) {
      const whole = [...this.shown()].filter(({ view }) => view.source === source && view.record.parent === undefined);
      return whole.map((device) => device.uuid);
    }
    if (gpuInstance === undefined) return [keyed(uuid)];
    const named = this.#instancesOf(uuid).filter((instance) => {
      const place = this.#devices.get(instance)?.view?.record.migInstance;
      return place?.gpuInstance === gpuInstance && matches(computeInstance, place.computeInstance);
    });
    // An instance that is not known yet must not make its event unheard.
    return named.length > 0 ? named : [keyed(uuid)];
  }

  #instancesOf(uuid: string): string[] {
    const parent = keyed(uuid);
    return [...this.shown()].flatMap((device) =>
      device.view.record.parent !== undefined && keyed(device.view.record.parent) === parent ? [device.uuid] : [],
    );
  }
}

const notEnumerated: Finding = {
  type: 'HardwareFailure',
  reason: 'NotEnumerated',
  message: 'the PCI bus still shows it, its driver does not',
  action: 'RebootNode',
};

/** An event without a compute instance concerns all of the GPU instance. */
function matches(named: number | undefined, place: number | undefined): boolean {
  return named === undefined || place === undefined || named === place;
}

function keyed(uuid: string): string {
  return uuid.toLowerCase();
}
