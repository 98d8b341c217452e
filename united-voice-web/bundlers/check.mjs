// Serves the builds of the application as a static host would, opens each in a frame of one page of
// Chromium, and checks what it reports. Argument: the folder that has a folder for each build.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
/** What measures the level in each build: without its file, the worklet can't. */
const METERS = { folder: 'worklet', vite: 'worklet', 'esbuild-module': 'worklet', 'esbuild-script': 'analyser' };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript' };

const root = path.resolve(process.argv[2]);
const results = new Map();
let arrived = () => {};

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (pathname.startsWith('/result/')) {
    let body = '';
    for await (const chunk of request) body += chunk;
    results.set(path.basename(pathname), JSON.parse(body));
    response.end();
    arrived();
    return;
  }
  if (pathname === '/') {
    const frames = Object.keys(METERS).map((build) => `<iframe src="./${build}/"></iframe>`);
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html>${frames.join('')}`);
    return;
  }
  const file = path.join(root, path.normalize(pathname), pathname.endsWith('/') ? 'index.html' : '');
  try {
    const content = await readFile(file);
    response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });

// Other processes of a browser write there for a moment after it has ended. The retries of `rmSync` itself
// look for no new files.
async function remove(folder) {
  for (let tries = 50; ; tries -= 1) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (tries === 0) throw error;
      await delay(100);
    }
  }
}

const profile = mkdtempSync(path.join(tmpdir(), 'united-voice-web-'));
const chromium = spawn('chromium', [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--mute-audio', '--autoplay-policy=no-user-gesture-required',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--user-data-dir=${profile}`, `http://127.0.0.1:${server.address().port}/`,
], { stdio: 'ignore' });
try {
  await new Promise((resolve, reject) => {
    chromium.on('error', reject);
    chromium.on('exit', () => reject(new Error('Chromium ended')));
    setTimeout(() => reject(new Error(`only ${[...results.keys()]} reported`)), PATIENCE_MS).unref();
    arrived = () => { if (results.size === Object.keys(METERS).length) resolve(); };
  });
} finally {
  chromium.removeAllListeners('exit');
  const ended = new Promise((resolve) => { chromium.on('exit', resolve); });
  if (chromium.kill()) await ended;
  await remove(profile);
  server.close();
  server.closeAllConnections();
}
for (const [build, meter] of Object.entries(METERS)) {
  assert.deepEqual(results.get(build), { channelId: 'general', participants: ['bob'], meter }, build);
}
