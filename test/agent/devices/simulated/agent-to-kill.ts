// A process that supervises simulated devices until it is killed; says when it has found them.
import { pino } from 'pino';
import { createSupervisor } from '../../../../src/agent/devices/supervisor.ts';

createSupervisor({
  source: { name: 'simulated', profile: 'l40s-x4' },
  interval: 100,
  deadline: 1_000,
  initDeadline: 5_000,
  telemetryInterval: 300,
  log: pino({ enabled: false }),
  listener: {
    deviceChanged() {},
    deviceRemoved() {},
    eventReported() {},
    sourceChanged: ({ enumerated }) => enumerated && process.send?.('enumerated'),
  },
}).start();

// A supervisor keeps no process alive.
setInterval(() => {}, 60_000);
