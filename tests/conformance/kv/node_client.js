// node-redis, unchanged.   node node_client.js PORT 2|3   prints one line of JSON for each thing it did.
const { createClient } = require('redis');
const [port, version] = process.argv.slice(2).map(Number);

const say = (what, came, wanted) => {
  const right = JSON.stringify(came) === JSON.stringify(wanted);
  console.log(JSON.stringify({ what, right, came }));
};

async function main() {
  const client = createClient({ RESP: version, socket: { port, host: '127.0.0.1', reconnectStrategy: false } });
  client.on('error', (error) => say('no error event', String(error), ''));
  await client.connect();
  await client.flushDb();
  say('ping', await client.ping(), 'PONG');
  say('set, get', [await client.set('k', 'v'), await client.get('k'), await client.get('none')], ['OK', 'v', null]);
  say('set NX, XX', [await client.set('k', 'w', { NX: true }), await client.set('k', 'w', { XX: true })], [null, 'OK']);
  say('numbers', [await client.incr('n'), await client.incrBy('n', 9), await client.decr('n')], [1, 10, 9]);
  say('append, strLen, getRange', [await client.append('k', 'yz'), await client.strLen('k'), await client.getRange('k', 0, 1)], [3, 3, 'wy']);
  say('mSet, mGet', [await client.mSet({ a: '1', b: '2' }), await client.mGet(['a', 'b', 'none'])], ['OK', ['1', '2', null]]);
  say('exists, del, type', [await client.exists(['a', 'b']), await client.del(['a', 'none']), await client.type('b')], [2, 1, 'string']);
  say('getDel, setNX', [await client.getDel('b'), await client.setNX('b', '3')], ['2', 1]);
  say('500 at once', (await Promise.all(Array.from({ length: 500 }, (_, i) => client.set('many' + i, String(i))))).length, 500);
  const found = new Set();
  for await (const keys of client.scanIterator({ MATCH: 'many*', COUNT: 50 })) for (const key of keys) found.add(key);
  say('scanIterator', found.size, 500);
  say('dbSize, keys', [await client.dbSize(), (await client.keys('[bkn]')).sort()], [503, ['b', 'k', 'n']]);
  say('multi', await client.multi().set('t', '1').incr('t').get('t').exec(), ['OK', 2, '2']);
  await client.watch('t');
  const other = client.duplicate();
  await other.connect();
  await other.set('t', '5');
  say('watch', await client.multi().set('t', '6').exec().catch((error) => error.constructor.name), 'WatchError');
  say('unknown command, then the next',
    [await client.sendCommand(['LPUSH', 'list', '1']).catch((error) => error.message.slice(0, 29)), await client.ping()],
    ["ERR unknown command 'LPUSH', w".slice(0, 29), 'PONG']);
  say('configGet', { ...(await client.configGet('databases')) }, { databases: '16' });
  say('info', (await client.info()).includes('redis_version:7'), true);
  await other.close();
  await client.close();
}

main().catch((error) => { say('to the end', String(error.stack), ''); process.exit(1); });
