/** A publication behind a real nginx and a real Apache with the files of examples/web-server/: types and headers. */
import { once } from 'node:events';
import { chmod, symlink } from 'node:fs/promises';
import { request } from 'node:http';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collectRequest, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { needs } from '../../../fixtures/needs.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { startWebServer, type WebServer, type WebServerProgram } from '../../../fixtures/web-servers.ts';
import { type LocalRig, makeRig, writeAt } from '../../logs/rig.ts';

const PROGRAMS: readonly WebServerProgram[] = ['nginx', 'apache2'];
const SCRIPT = '<!doctype html><script>alert(1)</script>';

for (const program of PROGRAMS) {
  needs(program).describe(`examples/web-server/ in ${program}`, () => {
    let rig: LocalRig;
    let server: WebServer;
    let job: string;
    beforeAll(async () => {
      rig = await makeRig();
      await chmod(rig.base, 0o755);
      await rig.writeStageLog(JOB, 1, 'testing', 'not ok 1\n');
      const files = [
        'a.html',
        'b.svg',
        'c.js',
        'd.php.log',
        'e.html.gz',
        'f',
        'g.de.txt',
        'h.json',
        'i.png',
        'j.var',
      ];
      for (const name of files) await rig.writeTreeFile(JOB, `logs/${name}`, SCRIPT);
      await rig.writeTreeFile(JOB, 'logs/.htaccess', 'ForceType text/html');
      await writeAt(join(rig.tree, 'logs/k.txt.gz'), gzipSync('packed\n'));
      await writeAt(join(rig.tree, 'logs/l.tar.gz'), gzipSync('archive'));
      const evidence = rig.start();
      await evidence.collect(collectRequest({ server: rig.server, logs: ['logs'] }), NEVER);
      const directory = fileURLToPath(await evidence.publish(publishRequest(), NEVER));
      await writeAt(join(directory, '..', '.sos-ci-other.1', 'index.html'), 'unfinished');
      await writeAt(join(rig.base, 'secret'), 'CANARY');
      await symlink(join(rig.base, 'secret'), join(directory, 'link.log'));
      job = `/${relative(rig.site, directory)}`;
      server = await startWebServer(program, rig.site);
    });
    afterAll(async () => {
      await server?.close();
      await rig?.close();
    });

    async function get(path: string) {
      const sent = request(`${server.url}${job}/`, {
        path: `${job}/${path}`,
        headers: { 'accept-encoding': 'gzip' },
        agent: false,
      });
      sent.end();
      const [response] = await once(sent, 'response');
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const encoding: string | undefined = response.headers['content-encoding'];
      const bytes = Buffer.concat(chunks);
      return {
        status: response.statusCode,
        type: String(response.headers['content-type']).toLowerCase(),
        encoding,
        headers: response.headers,
        body: (encoding === 'gzip' ? gunzipSync(bytes) : bytes).toString(),
      };
    }

    const served = [
      ['', 'text/html; charset=utf-8'],
      ['attempt-1/', 'text/html; charset=utf-8'],
      ['attempt-1/testing.log.html', 'text/html; charset=utf-8'],
      ['attempt-1/testing.log', 'text/plain; charset=utf-8'],
      ['worktree/logs/a_html.txt', 'text/plain; charset=utf-8'],
      ['worktree/logs/b_svg.txt', 'text/plain; charset=utf-8'],
      ['worktree/logs/c_js.txt', 'text/plain; charset=utf-8'],
      ['worktree/logs/d_php.log', 'text/plain; charset=utf-8'],
      ['worktree/logs/f', 'text/plain; charset=utf-8'],
      ['worktree/logs/g.de.txt', 'text/plain; charset=utf-8'],
      ['worktree/logs/j_var.txt', 'text/plain; charset=utf-8'],
      ['worktree/logs/_.htaccess', 'text/plain; charset=utf-8'],
      ['worktree/logs/h.json', 'application/json'],
      ['worktree/logs/i.png', 'application/octet-stream'],
      ['worktree/logs/k.txt.gz.html', 'text/html; charset=utf-8'],
      ['manifest.json', 'application/json'],
    ] as const;
    test.each(served)('serves %j as %s', async (path, type) => {
      const answer = await get(path);
      expect([answer.status, answer.type.replace(/^application\/json.*/, 'application/json')]).toEqual([
        200,
        type,
      ]);
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
      expect(answer.headers['content-security-policy']).toMatch(
        /^sandbox allow-downloads; default-src 'none';/,
      );
      expect(answer.headers['referrer-policy']).toBe('no-referrer');
    });

    test('serves a packed log as text that the browser unpacks, and an archive as it is', async () => {
      expect(await get('worktree/logs/k.txt.gz')).toMatchObject({
        status: 200,
        type: 'text/plain; charset=utf-8',
        encoding: 'gzip',
        body: 'packed\n',
      });
      const archive = await get('worktree/logs/l.tar.gz');
      expect([archive.status, archive.type, archive.encoding]).toEqual([
        200,
        'application/octet-stream',
        undefined,
      ]);
    });

    test('serves nothing of a publication in progress, behind a link or outside, and lists no directory', async () => {
      for (const path of [
        '../.sos-ci-other.1/index.html',
        'link.log',
        '../../../../../../secret',
        '../../../../../',
      ]) {
        const answer = await get(path);
        expect([path, answer.status]).toEqual([path, expect.toSatisfy((status: number) => status >= 400)]);
        expect(answer.body).not.toMatch(/CANARY|unfinished|sos-ci-other/);
        expect(answer.headers['x-content-type-options'] ?? 'nosniff').toBe('nosniff');
      }
      const directory = await get('../');
      expect(directory).toMatchObject({ status: 200, body: expect.stringContaining('content="sos-ci"') });
      expect(directory.body).not.toMatch(/CANARY|sos-ci-other/);
    });
  });
}
