/** Writes the results of Node's test runner as subunit v2: for each test a packet when it begins and one when it ends. */
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';

const SIGNATURE = 0xb3;
const VERSION = 0x2000;
const FLAG = {
  testId: 0x0800,
  timestamp: 0x0200,
  runnable: 0x0100,
  file: 0x0040,
  mimeType: 0x0020,
  eof: 0x0010,
};
const STATUS = { inprogress: 2, success: 3, skip: 5, fail: 6 };

export default async function* subunit(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const ended = Date.now();
    const id = testId(data);
    yield packet(id, STATUS.inprogress, ended - data.details.duration_ms);
    const skipped = data.skip !== undefined && data.skip !== false;
    if (type === 'test:pass') yield packet(id, skipped ? STATUS.skip : STATUS.success, ended);
    else yield packet(id, STATUS.fail, ended, String(data.details.error.cause?.stack ?? data.details.error));
  }
}

/** `volume.a_volume_grows` */
function testId({ file, name }) {
  return `${basename(file, '.test.mjs')}.${name.replace(/\W+/g, '_')}`;
}

function packet(id, status, at, traceback = null) {
  let flags = VERSION | FLAG.timestamp | FLAG.testId | FLAG.runnable | status;
  const parts = [timestamp(at), text(id)];
  if (traceback !== null) {
    flags |= FLAG.mimeType | FLAG.file | FLAG.eof;
    parts.push(text('text/plain;charset=utf8'), text('traceback'), text(traceback));
  }
  const head = Buffer.from([SIGNATURE, flags >> 8, flags & 0xff]);
  const body = Buffer.concat(parts);
  // The length counts everything, itself and the checksum too.
  const bare = head.length + body.length + 4;
  const length = [1, 2, 3]
    .map((bytes) => number(bare + bytes))
    .find((field, index) => field.length === index + 1);
  const checked = Buffer.concat([head, length, body]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(checked));
  return Buffer.concat([checked, checksum]);
}

function timestamp(at) {
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(Math.floor(at / 1000));
  return Buffer.concat([seconds, number(Math.floor((at % 1000) * 1e6))]);
}

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}

/** One to four bytes, of which the first two bits tell how many. */
function number(value) {
  const bytes = value < 2 ** 6 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 22 ? 3 : 4;
  const field = Buffer.alloc(bytes);
  field.writeUIntBE(value, 0, bytes);
  field[0] |= (bytes - 1) << 6;
  return field;
}
