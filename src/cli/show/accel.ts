/** The machine of L0 for people: whose processor, what runs it, and why. */
const vendorNames: Readonly<Record<string, string>> = { amd: 'AMD (SVM)', intel: 'Intel (VMX)' };

export function describeAccel(accel: {
  readonly accel: string;
  readonly vendor?: string | undefined;
  readonly why: string;
}): string {
  const { vendor, why } = accel;
  const processor = vendor === undefined ? '' : `, processor ${vendorNames[vendor] ?? vendor}`;
  return `accelerator ${accel.accel}${processor}: ${why}`;
}
