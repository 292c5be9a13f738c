// Many SSH clients at one console, in a process of their own; says how many bytes each has seen, when asked.
import ssh2 from 'ssh2';

const { port, privateKey, verb, count } = JSON.parse(process.argv[2]);

/** Bytes by client. */
const seen = Array.from({ length: count }, () => 0);
for (const index of seen.keys()) {
  const client = new ssh2.Client();
  await new Promise((resolve, reject) => {
    client.on('error', reject).on('ready', () => {
      client.exec(verb, (error, channel) => {
        if (error) return reject(error);
        channel.stderr.resume();
        channel.on('data', (bytes) => {
          seen[index] += bytes.length;
        });
        resolve();
      });
    });
    client.connect({ host: '127.0.0.1', port, username: 'vm1', privateKey });
  });
}
process.on('message', () => process.send({ seen }));
process.on('disconnect', () => process.exit());
process.send({ ready: true });
