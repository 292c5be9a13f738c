/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames on the serial link between this hypervisor and the host below it:
 * SLIP (RFC 1055) around a payload and its checksum.
 *
 *   payload   at least VSB_FRAME_HEADER bytes: type, slot, generation, body
 *   checksum  CRC-32 of IEEE 802.3 over the payload, little endian
 *
 * END stands on both sides of a frame, so noise before one costs at most the
 * noise itself. A frame that is too long, has an invalid escape or a wrong
 * checksum is dropped and counted; decoding goes on at the next END.
 */

#ifndef VSB_FRAME_H
#define VSB_FRAME_H

#ifdef __XEN__
#include <xen/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

#define VSB_FRAME_HEADER   4
#define VSB_FRAME_CRC      4
/* Payload and checksum. */
#define VSB_FRAME_MAX      264
#define VSB_FRAME_PAYLOAD  (VSB_FRAME_MAX - VSB_FRAME_CRC)
/* Every byte escaped, END on both sides. */
#define VSB_FRAME_WIRE_MAX (2 * VSB_FRAME_MAX + 2)

#define VSB_SLIP_END     0xc0
#define VSB_SLIP_ESC     0xdb
#define VSB_SLIP_ESC_END 0xdc
#define VSB_SLIP_ESC_ESC 0xdd

/*
 * Encodes @len bytes of payload to @wire, which has room for
 * VSB_FRAME_WIRE_MAX bytes. Returns the number of bytes written, or 0 if @len
 * is not VSB_FRAME_HEADER..VSB_FRAME_PAYLOAD: no receiver would take it.
 */
unsigned int vsb_frame_encode(uint8_t *wire, const uint8_t *payload,
                              unsigned int len);

struct vsb_frame_decoder
{
    uint8_t buf[VSB_FRAME_MAX];
    unsigned int len;
    bool escaped;           /* the last byte was ESC */
    bool skipping;          /* this frame is lost: wait for END */
    uint64_t frames;        /* accepted */
    uint64_t bad_crc;       /* or too short to have header and checksum */
    uint64_t oversize;
    uint64_t bad_escape;
};

void vsb_frame_decoder_init(struct vsb_frame_decoder *d);

/*
 * Takes the next byte of the wire. Returns the length of the payload, without
 * checksum, if @byte completed a valid frame, otherwise 0. The payload is in
 * @d->buf until the next call.
 */
unsigned int vsb_frame_decode(struct vsb_frame_decoder *d, uint8_t byte);

/* Little endian integers at any alignment. */

static inline uint16_t vsb_get16(const uint8_t *p)
{
    return p[0] | (p[1] << 8);
}

static inline uint32_t vsb_get32(const uint8_t *p)
{
    return vsb_get16(p) | ((uint32_t)vsb_get16(p + 2) << 16);
}

static inline uint64_t vsb_get64(const uint8_t *p)
{
    return vsb_get32(p) | ((uint64_t)vsb_get32(p + 4) << 32);
}

static inline void vsb_put16(uint8_t *p, uint16_t value)
{
    p[0] = value;
    p[1] = value >> 8;
}

static inline void vsb_put32(uint8_t *p, uint32_t value)
{
    vsb_put16(p, value);
    vsb_put16(p + 2, value >> 16);
}

static inline void vsb_put64(uint8_t *p, uint64_t value)
{
    vsb_put32(p, value);
    vsb_put32(p + 4, value >> 32);
}

#endif /* VSB_FRAME_H */
