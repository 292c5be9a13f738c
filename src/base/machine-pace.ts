/**
 * How fast this machine is, for limits of things that take as long as it takes to start a program: an emulated host or
 * one with many other tenants needs ten times as long, and fails nothing by it.
 */
import { performance } from 'node:perf_hooks';

/** What Node takes to start on a machine for which the limits were chosen, in milliseconds; many do it in half of it. */
const usualStartMs = 60;
/** A start that waited for a disk says nothing about the processor. */
const slowestPace = 20;

/** 1 on a machine as fast as most, more on a slower one: what this process took to start, against what that takes usually. */
export function machinePace(startMs: number = performance.nodeTiming.bootstrapComplete): number {
  return Math.min(slowestPace, Math.max(1, startMs / usualStartMs));
}

/** A limit in milliseconds, for this machine. */
export function stretched(limitMs: number, startMs?: number): number {
  return Math.round(limitMs * machinePace(startMs));
}
