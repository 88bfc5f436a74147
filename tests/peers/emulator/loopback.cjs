// node --require ./loopback.cjs …: the official emulator takes no host and listens on every interface.
// This keeps it on loopback, prints a line when it listens, and ends it when its standard input closes.

'use strict';

const { Server } = require('node:net');

const { listen } = Server.prototype;

Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== 'number') return listen.call(this, port, ...rest);
  const listening = rest.find((argument) => typeof argument === 'function');
  this.once('listening', () => console.log(`listening on ${this.address().address}`));
  return listen.call(this, port, '127.0.0.1', listening);
};

process.stdin.on('close', () => process.exit(0)).resume();
