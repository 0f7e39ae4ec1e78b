// kafkajs as a client of verbs: produce SERVER TOPIC CODEC < records, consume SERVER TOPIC..., both on partition 0;
// group SERVER GROUP PROTOCOL COUNT TOPIC; transact SERVER ID TOPIC < records, in transactions of ten, of which every
// other is aborted; share SERVER GROUP PROTOCOL TOPIC, until standard input ends, where a TOPIC that begins with ^ is a regular
// expression; copy SERVER ID GROUP COUNT FROM TO, ten records at a time with their offsets in a transaction, which is aborted
// and then done again. The codec plain is none without idempotence. Snappy, lz4 and zstd are plug-ins of kafkajs; these are the plainest there are.
const fs = require('fs')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const snappy = require('snappyjs')
const lz4 = require('lz4js')
const zstd = require('@bokuweb/zstd-wasm')

const plug = (compress, decompress) => () => ({
  compress: async encoder => Buffer.from(compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(decompress(buffer)),
})

// Xerial's framing: a magic of 16 bytes, then blocks with their lengths.
const xerial = buffer => {
  if (!buffer.subarray(0, 8).equals(Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]))) return snappy.uncompress(buffer)
  const blocks = []
  for (let at = 16; at < buffer.length;) {
    const length = buffer.readUInt32BE(at)
    blocks.push(Buffer.from(snappy.uncompress(buffer.subarray(at + 4, at + 4 + length))))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

// lz4js writes blocks that do not depend on each other under a header that says they may, which Java refuses to read.
const independent = frame => {
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x70, 0xdf])
  if (!frame.subarray(0, 7).equals(header)) throw new Error('not the header that lz4js writes: ' + frame.subarray(0, 7).toString('hex'))
  frame[4] = 0x60
  frame[6] = 0x73 // the header's checksum
  return frame
}

CompressionCodecs[CompressionTypes.Snappy] = plug(b => snappy.compress(b), xerial)
CompressionCodecs[CompressionTypes.LZ4] = plug(b => independent(Buffer.from(lz4.compress(b))), b => lz4.decompress(b))
CompressionCodecs[CompressionTypes.ZSTD] = plug(b => zstd.compress(b, 3), b => zstd.decompress(b))

const codecs = { plain: CompressionTypes.None, none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }
const decode = s => (s === null || s === undefined ? null : Buffer.from(s, 'base64'))
const encode = b => (b === null || b === undefined ? null : b.toString('base64'))

const read = () => fs.readFileSync(0, 'utf8').split('\n').filter(line => line).map(line => {
  const r = JSON.parse(line)
  const headers = {}
  for (const [name, value] of r.h || []) headers[name] = name in headers ? [].concat(headers[name], decode(value)) : decode(value)
  return { partition: 0, timestamp: String(r.t), key: decode(r.k), value: decode(r.v), headers }
})

const write = (topic, m) => {
  const h = []
  for (const [name, values] of Object.entries(m.headers || {})) for (const value of [].concat(values)) h.push([name, encode(value)])
  console.log(JSON.stringify({ topic, o: Number(m.offset), t: Number(m.timestamp), k: encode(m.key), v: encode(m.value), h }))
}

const connect = server => new Kafka({ brokers: [server], logLevel: logLevel.ERROR })

async function produce(server, topic, codec) {
  const producer = connect(server).producer({ idempotent: codec !== 'plain', maxInFlightRequests: 1 })
  await producer.connect()
  const messages = read()
  const [told] = await producer.send({ topic, messages, acks: codec === 'plain' ? 1 : -1, compression: codecs[codec] })
  messages.forEach((_, i) => console.log(Number(told.baseOffset) + i))
  await producer.disconnect()
}

// consume reads in a group, since kafkajs has no other way, from the beginning, and commits nothing.
async function consume(server, ...topics) {
  const kafka = connect(server)
  const admin = kafka.admin()
  await admin.connect()
  const left = {}
  for (const topic of topics) left[topic] = Number((await admin.fetchTopicOffsets(topic))[0].high)
  await admin.disconnect()
  const consumer = kafka.consumer({ groupId: 'kafkajs-' + process.pid + '-' + Date.now(), maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topics, fromBeginning: true })
  const done = new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    const check = () => Object.values(left).every(n => n <= 0) && resolve()
    check()
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, message }) => {
        write(topic, message)
        left[topic] = Math.min(left[topic], left[topic] - 1)
        check()
      },
    })
  })
  await done
  await consumer.disconnect()
}

async function group(server, groupId, protocol, count, topic) {
  const consumer = connect(server).consumer({ groupId, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  let left = Number(count)
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        write(topic, message)
        await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
        if (--left === 0) resolve()
      },
    })
  })
  await consumer.disconnect()
}

async function share(server, groupId, protocol, topic) {
  const consumer = connect(server).consumer({ groupId, maxWaitTimeInMs: 50, heartbeatInterval: 300, sessionTimeout: 6000, metadataMaxAge: 500 })
  await consumer.connect()
  await consumer.subscribe({ topic: topic.startsWith('^') ? new RegExp(topic) : topic, fromBeginning: true })
  consumer.on(consumer.events.GROUP_JOIN, e => {
    const assigned = []
    for (const [name, partitions] of Object.entries(e.payload.memberAssignment)) for (const p of partitions) assigned.push(name + '/' + p)
    console.log(JSON.stringify({ assigned }))
  })
  const ended = new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => e.payload.restart || reject(e.payload.error))
    process.stdin.on('end', resolve).resume()
  })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => {
      write(topic, message)
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
    },
  })
  await ended
  await consumer.disconnect()
}

async function transact(server, transactionalId, topic) {
  const producer = connect(server).producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const messages = read()
  for (let at = 0; at < messages.length; at += 10) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: messages.slice(at, at + 10), acks: -1 })
    await ((at / 10) % 2 === 1 ? transaction.abort() : transaction.commit())
  }
  await producer.disconnect()
}

async function copy(server, transactionalId, groupId, count, from, to) {
  const kafka = connect(server)
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topics: [from], fromBeginning: true })
  let left = Number(count)
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset }) => {
        for (let at = 0; at < batch.messages.length; at += 10) {
          const ten = batch.messages.slice(at, at + 10)
          const messages = ten.map(m => ({ partition: 0, timestamp: m.timestamp, key: m.key, value: m.value, headers: m.headers }))
          const last = ten[ten.length - 1].offset
          for (const end of ['abort', 'commit']) {
            const transaction = await producer.transaction()
            await transaction.send({ topic: to, messages, acks: -1 })
            await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: from, partitions: [{ partition: 0, offset: String(Number(last) + 1) }] }] })
            await transaction[end]()
          }
          resolveOffset(last)
          left -= ten.length
        }
        if (left <= 0) resolve()
      },
    })
  })
  await consumer.disconnect()
  await producer.disconnect()
}

zstd.init()
  .then(() => ({ produce, consume, group, share, transact, copy })[process.argv[2]](...process.argv.slice(3)))
  .catch(e => { console.error(e); process.exit(1) })
