/** The process: settings in, a server up, signals to its end. Exit codes: 0 stopped, 1 failed, 2 wrong settings. */
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { destination, pino } from 'pino';
import {
  ConfigurationError,
  isOpen,
  type ParsedConfiguration,
  parseConfiguration,
} from './config/configuration.js';
import { type Server, startServer } from './server.js';
import { createDemoTopic, urlOf, welcome } from './welcome.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

function parseOrExit(): ParsedConfiguration {
  try {
    return parseConfiguration(process.argv.slice(2), process.env, version);
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode);
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(`Gridpost cannot start:\n${error.problems.map((problem) => `  - ${problem}`).join('\n')}`);
    process.exit(2);
  }
}

const { configuration, warnings } = parseOrExit();
// Lines are written as they come: one lost in a buffer at a crash is the one that was needed.
const log = pino({ level: configuration.logLevel, base: null }, destination({ dest: 2, sync: true }));
// A level that spares lines spares none of these, which tell who did what.
const auditLines = log.child({}, { level: configuration.logLevel === 'silent' ? 'silent' : 'info' });
for (const warning of warnings) log.warn({}, warning);

process.on('uncaughtException', (error) => {
  log.error({ error: error.stack ?? String(error) }, 'uncaught exception; stopping at once');
  process.exit(1);
});

/** Has the process drain and end at the first signal; what comes up needs no more than to be killed until then. */
function stopOnSignals(server: Server): void {
  const stop = async (signal: string): Promise<void> => {
    // No timer of ours keeps a process alive, and the listening socket, which did, is closed early in a drain. Without
    // this the process ends as soon as the last attempt has, and what it delivered is not settled.
    setInterval(() => undefined, 60_000);
    log.info({ signal, drainSeconds: configuration.drainSeconds }, 'draining');
    const { cut } = await server.stop();
    log.info({ cut }, 'stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stop(signal).catch((error: Error) => {
        log.error({ error: error.stack }, 'did not stop cleanly');
        process.exit(1);
      });
    });
  }
}

try {
  const server = await startServer(configuration, version, log, auditLines);
  // Before anybody is told that it is up: who starts it may stop it at that very line.
  stopOnSignals(server);
  const open = isOpen(configuration);
  if (open && server.store.supports.sharing === false && server.topicCount() === 0) {
    await createDemoTopic(server.store, Date.now());
  }
  const url = urlOf(configuration.tlsCert === undefined ? 'http' : 'https', server.host, server.port);
  console.log(welcome({ version, url, info: server.store.info, roles: configuration.roles, open }));
} catch (error) {
  console.error(`Gridpost cannot start: ${(error as Error).message}`);
  log.debug({ error: (error as Error).stack }, 'start failed');
  process.exit(1);
}
