import { type FileHandle, mkdir, open, readdir, rename, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { Sink, SinkLines } from '../ports/sink.ts'
import { batchOf } from './batch.ts'

export interface FileSinkOptions {
  /** Absolute. What is full, or of a day before, stands beside it with day (UTC) and number in its name. */
  path: string
  linesOf: SinkLines
  clock: Clock
  /** `LIMITS.sinkFileBytesMax` by default. */
  bytesMax?: number
}

const NEWLINE = 0x0a
const CHUNK_BYTES = 65_536

/**
 * Appends lines to a file, durable (fsync) before it says so. A line that a crash cut off is removed before the next is written, so whoever reads finds whole
 * lines. A file that somebody moved away is made anew.
 */
export function fileSink(options: FileSinkOptions): Sink {
  const { linesOf, clock } = options
  let file: OpenFile | undefined
  const drop = async (): Promise<void> => {
    const { handle } = file ?? {}
    file = undefined
    await handle?.close()
  }
  return {
    async carry(entries: readonly Entry[]) {
      const lines = batchOf(entries, await linesOf(entries))
      const bytes = Buffer.from(`${lines.join('\n')}\n`)
      try {
        if (file && !(await file.stands())) await drop()
        file ??= await openFile(options.path)
        if (file.isFull(bytes.byteLength, dayOf(clock.now()), options.bytesMax ?? LIMITS.sinkFileBytesMax)) {
          const { day } = file
          await drop()
          await setAside(options.path, day ?? dayOf(clock.now()))
          file = await openFile(options.path)
        }
        await file.append(bytes, clock.now())
      } catch (error) {
        // What stands behind its last whole line is not known any more.
        await drop().catch(() => undefined)
        throw error
      }
      return lines.length
    },
    close: drop,
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

class OpenFile {
  constructor(
    readonly path: string,
    readonly handle: FileHandle,
    /** Of the last line; undefined while there is none. */
    public day: string | undefined,
    private bytes: number,
  ) {}

  /** Whether it is still what the path leads to. */
  async stands(): Promise<boolean> {
    const [mine, there] = await Promise.all([this.handle.stat(), stat(this.path).catch(() => undefined)])
    this.bytes = mine.size
    return there?.ino === mine.ino && there.dev === mine.dev
  }

  isFull(more: number, day: string, bytesMax: number): boolean {
    return this.bytes > 0 && (this.bytes + more > bytesMax || this.day !== day)
  }

  async append(bytes: Uint8Array, now: number): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) at += (await this.handle.write(bytes, at)).bytesWritten
    await this.handle.sync()
    this.bytes += bytes.byteLength
    this.day = dayOf(now)
  }
}

async function openFile(path: string): Promise<OpenFile> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  const handle = await open(path, 'a+', 0o640)
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw new Error(`\`${path}\` is no file`)
    const bytes = await endOfLines(handle, found.size)
    if (bytes < found.size) {
      await handle.truncate(bytes)
      await handle.sync()
    }
    if (found.size === 0) await syncFolder(dirname(path))
    return new OpenFile(path, handle, bytes > 0 ? dayOf(found.mtimeMs) : undefined, bytes)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Where the last whole line ends. */
async function endOfLines(handle: FileHandle, size: number): Promise<number> {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - CHUNK_BYTES)
    const { bytesRead } = await handle.read(chunk, 0, end - from, from)
    const at = chunk.subarray(0, bytesRead).lastIndexOf(NEWLINE)
    if (at >= 0) return from + at + 1
    end = from
  }
  return 0
}

/** Gives the file its day and the next number of that day. */
async function setAside(path: string, day: string): Promise<void> {
  const extension = extname(path)
  const stem = `${basename(path, extension)}-${day}-`
  const numbers = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(stem) && name.endsWith(extension))
    .map((name) => Number(name.slice(stem.length, name.length - extension.length)))
  const next = Math.max(0, ...numbers.filter(Number.isSafeInteger)) + 1
  await rename(path, join(dirname(path), `${stem}${String(next).padStart(4, '0')}${extension}`))
  await syncFolder(dirname(path))
}

/** A name is durable once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}
