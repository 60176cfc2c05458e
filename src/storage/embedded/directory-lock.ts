// Keeps a second process off a data directory. The lock is a listening socket, which the operating system closes with
// the process however that ends; nothing has to be compared with process ids or cleaned up by a clock.
//
// On Linux an abstract socket named after the directory's device and inode decides without a race, but only within a
// network namespace. A socket file in the directory also stops a process in another container that shares the volume;
// one that nobody listens on was left by a dead process and is replaced.

import fs from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { StorageFault } from '../../actors/shard/ports.ts';

const SOCKET_FILE = 'lock';
const SOCKET_PATH_BYTES_MAX = 100;
const ATTEMPTS = 5;
/** No socket file can be made (some network and FUSE file systems, a full disk): the abstract socket has to do. */
const NO_SOCKETS = new Set(['ENOSPC', 'EDQUOT', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOSYS', 'EROFS']);

/** Takes the directory. @returns gives it back. @throws StorageFault `unavailable` when another process has it */
export async function lockDirectory(
  dataDir: string,
  platform: string = process.platform,
): Promise<() => Promise<void>> {
  const servers: net.Server[] = [];
  const directory = fs.openSync(dataDir, 'r');
  const release = async (): Promise<void> => {
    for (const server of servers.splice(0).reverse()) await new Promise((resolve) => server.close(resolve));
    fs.closeSync(directory);
  };
  const { dev, ino } = fs.fstatSync(directory, { bigint: true });
  try {
    if (platform === 'linux') servers.push(await listen(`\0sargasso-data-${dev}-${ino}`));
    if (platform === 'win32') servers.push(await listen(`\\\\.\\pipe\\sargasso-data-${dev}-${ino}`));
    else await lockByFile(dataDir, directory, servers, platform);
  } catch (error) {
    await release();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new StorageFault('unavailable', `data directory ${dataDir} is in use by another process`);
  }
  return release;
}

async function lockByFile(dataDir: string, directory: number, servers: net.Server[], platform: string): Promise<void> {
  const plain = join(dataDir, SOCKET_FILE);
  // A socket's path is at most 107 bytes long; through the descriptor any directory's is short enough.
  const long = Buffer.byteLength(plain) > SOCKET_PATH_BYTES_MAX;
  const path = long && platform === 'linux' ? `/proc/self/fd/${directory}/${SOCKET_FILE}` : plain;
  for (let attempt = 1; ; attempt++) {
    try {
      servers.push(await listen(path));
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (NO_SOCKETS.has(code) && servers.length > 0) return;
      if (code !== 'EADDRINUSE' || attempt === ATTEMPTS || (await answers(path))) throw error;
      fs.rmSync(path, { force: true });
    }
  }
}

function listen(path: string): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject);
      server.unref();
      resolve(server);
    });
  });
}

/** Whether somebody listens on the socket file. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Refused or gone: nobody. Anything else (no permission, a full backlog) may be somebody.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
