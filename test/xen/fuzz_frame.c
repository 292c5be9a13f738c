/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame decoder on an arbitrary wire, and the codec as a whole: between
 * arbitrary garbage, a frame that was encoded is decoded to the same payload.
 */

#include <string.h>

#include "frame.h"
#include "fuzz.h"

static unsigned int decode(struct vsb_frame_decoder *d, uint8_t byte)
{
    uint64_t events = d->frames + d->bad_crc + d->oversize + d->bad_escape;
    uint64_t frames = d->frames;
    unsigned int len = vsb_frame_decode(d, byte);

    INVARIANT(d->len <= VSB_FRAME_MAX);
    INVARIANT(len == 0 || (len >= VSB_FRAME_HEADER &&
                           len <= VSB_FRAME_PAYLOAD));
    INVARIANT(d->frames - frames == (len > 0));
    INVARIANT(len == 0 || byte == VSB_SLIP_END);
    INVARIANT(d->frames + d->bad_crc + d->oversize + d->bad_escape - events
              <= 1);

    return len;
}

/* The wire carries @payload: the last frame in it must be just that. */
static void round_trip(struct vsb_frame_decoder *d, const uint8_t *payload,
                       unsigned int len)
{
    uint8_t wire[VSB_FRAME_WIRE_MAX];
    unsigned int i, n = vsb_frame_encode(wire, payload, len), got = 0;

    if ( len < VSB_FRAME_HEADER || len > VSB_FRAME_PAYLOAD )
    {
        INVARIANT(n == 0);
        return;
    }

    INVARIANT(n >= len + VSB_FRAME_CRC + 2 && n <= sizeof(wire));
    INVARIANT(wire[0] == VSB_SLIP_END && wire[n - 1] == VSB_SLIP_END);
    INVARIANT(!memchr(wire + 1, VSB_SLIP_END, n - 2));

    for ( i = 0; i < n; i++ )
        got = decode(d, wire[i]);
    INVARIANT(got == len);
    INVARIANT(!memcmp(d->buf, payload, len));
}

/*
 * The first bytes choose lengths: of garbage, then of a payload, and so on.
 * Every fourth garbage byte is made special, as noise seldom is.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t special[] = {
        VSB_SLIP_END, VSB_SLIP_ESC, VSB_SLIP_ESC_END, VSB_SLIP_ESC_ESC,
    };
    struct vsb_frame_decoder d;
    size_t garbage, len, i;

    vsb_frame_decoder_init(&d);
    while ( size >= 3 )
    {
        garbage = data[0];
        len = data[1] | (data[2] & 1) << 8;
        data += 3;
        size -= 3;

        for ( i = 0; i < garbage && i < size; i++ )
            decode(&d, data[i] % 4 ? data[i] : special[data[i] / 4 % 4]);
        if ( len > size )
            len = size;
        round_trip(&d, data, len);
        data += len;
        size -= len;
    }

    return 0;
}
