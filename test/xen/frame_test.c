/* SPDX-License-Identifier: GPL-2.0-only */
/* The link's frame codec: what is sent arrives, what is damaged does not. */

#include <string.h>

#include "frame.h"
#include "tap.h"

static uint8_t wire[VSB_FRAME_WIRE_MAX];

/* Frames seen in @len bytes of wire; the last one is left in @d. */
static unsigned int feed(struct vsb_frame_decoder *d, const uint8_t *bytes,
                         unsigned int len, unsigned int *payload_len)
{
    unsigned int i, n, frames = 0;

    for ( i = 0; i < len; i++ )
    {
        n = vsb_frame_decode(d, bytes[i]);
        if ( !n )
            continue;
        frames++;
        if ( payload_len )
            *payload_len = n;
    }

    return frames;
}

static bool round_trip(const uint8_t *payload, unsigned int len)
{
    struct vsb_frame_decoder d;
    unsigned int got = 0, n = vsb_frame_encode(wire, payload, len);

    vsb_frame_decoder_init(&d);

    return n && n <= sizeof(wire) && feed(&d, wire, n, &got) == 1 &&
           got == len && !memcmp(d.buf, payload, len) && d.frames == 1 &&
           !d.bad_crc && !d.oversize && !d.bad_escape;
}

static void test_vectors(void)
{
    /* CRC-32 of "123456789" is 0xcbf43926: the check value of the CRC. */
    static const uint8_t expected[] = {
        0xc0, '1', '2', '3', '4', '5', '6', '7', '8', '9',
        0x26, 0x39, 0xf4, 0xcb, 0xc0,
    };
    static const uint8_t escapes[] = { 0xc0, 0xdb, 0xdc, 0xdd };
    static const uint8_t escaped[] = {
        0xc0, 0xdb, 0xdc, 0xdb, 0xdd, 0xdc, 0xdd,
    };
    unsigned int n = vsb_frame_encode(wire, (const uint8_t *)"123456789", 9);

    tap_ok(n == sizeof(expected) && !memcmp(wire, expected, n),
           "encode: check value of CRC-32, little endian");

    n = vsb_frame_encode(wire, escapes, sizeof(escapes));
    tap_ok(n >= sizeof(escaped) && !memcmp(wire, escaped, sizeof(escaped)),
           "encode: END and ESC are escaped, nothing else");
}

static void test_lengths(void)
{
    uint8_t payload[VSB_FRAME_PAYLOAD + 1];
    unsigned int i, len;
    bool passed = true;

    for ( i = 0; i < sizeof(payload); i++ )
        payload[i] = i;
    for ( len = VSB_FRAME_HEADER; len <= VSB_FRAME_PAYLOAD; len++ )
        passed &= round_trip(payload, len);
    tap_ok(passed, "round trip: every length");

    tap_ok(!vsb_frame_encode(wire, payload, VSB_FRAME_HEADER - 1) &&
           !vsb_frame_encode(wire, payload, VSB_FRAME_PAYLOAD + 1),
           "encode: refuses what no receiver takes");

    passed = true;
    for ( i = 0; i < 256; i++ )
    {
        memset(payload, i, VSB_FRAME_PAYLOAD);
        passed &= round_trip(payload, VSB_FRAME_PAYLOAD);
    }
    tap_ok(passed, "round trip: full frames of one value, all escapes too");
}

static void test_damage(void)
{
    struct vsb_frame_decoder d;
    uint8_t payload[40];
    unsigned int i, n, bit, undetected = 0;
    bool passed = true;

    for ( i = 0; i < sizeof(payload); i++ )
        payload[i] = 0xbc + i; /* contains END, ESC and both escapes */
    n = vsb_frame_encode(wire, payload, sizeof(payload));

    for ( bit = 0; bit < n * 8; bit++ )
    {
        wire[bit / 8] ^= 1 << (bit % 8);
        vsb_frame_decoder_init(&d);
        undetected += feed(&d, wire, n, NULL);
        wire[bit / 8] ^= 1 << (bit % 8);
    }
    tap_ok(undetected == 0, "damage: every single bit flip is detected");

    /* Without its last END only, the next frame's first END completes it. */
    for ( i = 1; i < n; i++ )
    {
        vsb_frame_decoder_init(&d);
        passed &= !feed(&d, wire, n - i, NULL);
        passed &= feed(&d, wire, n, NULL) == (i == 1 ? 2 : 1);
        passed &= !memcmp(d.buf, payload, sizeof(payload));
    }
    tap_ok(passed, "damage: truncated anywhere, the next frame arrives");

    vsb_frame_decoder_init(&d);
    feed(&d, (const uint8_t *)"console noise \xdb\xdb\xdb", 17, NULL);
    tap_ok(feed(&d, wire, n, NULL) == 1 &&
           !memcmp(d.buf, payload, sizeof(payload)),
           "damage: the frame after garbage arrives");
}

static void test_counters(void)
{
    struct vsb_frame_decoder d;
    uint8_t payload[VSB_FRAME_PAYLOAD] = {};
    unsigned int i, n = vsb_frame_encode(wire, payload, sizeof(payload));

    vsb_frame_decoder_init(&d);
    feed(&d, (const uint8_t *)"\xc0\xc0\xc0\xc0", 4, NULL);
    tap_ok(!d.frames && !d.bad_crc && !d.oversize && !d.bad_escape,
           "counters: empty frames are nothing");

    feed(&d, wire, n, NULL);
    feed(&d, wire + 1, n - 1, NULL);
    tap_ok(d.frames == 2, "counters: one END between two frames is enough");

    wire[10] ^= 1;
    feed(&d, wire, n, NULL);
    wire[10] ^= 1;
    tap_ok(d.bad_crc == 1, "counters: wrong checksum");

    feed(&d, (const uint8_t *)"short\xc0", 6, NULL);
    tap_ok(d.bad_crc == 2, "counters: too short for a checksum");

    /* The CRC-32 of no bytes is 0: right, but there is no header. */
    feed(&d, (const uint8_t *)"\0\0\0\0\xc0", 5, NULL);
    tap_ok(d.bad_crc == 3 && d.frames == 2, "counters: checksum of nothing");

    feed(&d, (const uint8_t *)"1234\xdb" "56789\xdb\xdb\xc0", 13, NULL);
    tap_ok(d.bad_escape == 1, "counters: a frame's bad escapes count once");

    feed(&d, (const uint8_t *)"12345678\xdb\xc0", 10, NULL);
    tap_ok(d.bad_escape == 2, "counters: END within an escape");

    for ( i = 0; i < 3 * VSB_FRAME_MAX; i++ )
        vsb_frame_decode(&d, 'x');
    vsb_frame_decode(&d, VSB_SLIP_END);
    tap_ok(d.oversize == 1, "counters: a too long frame counts once");

    n = vsb_frame_encode(wire, payload, sizeof(payload));
    tap_ok(feed(&d, wire, n, NULL) == 1 && d.frames == 3 && d.bad_crc == 3 &&
           d.oversize == 1 && d.bad_escape == 2,
           "counters: and then the next frame arrives");
}

static void test_integers(void)
{
    uint8_t buf[10] = {};

    vsb_put16(buf + 1, 0x8182);
    tap_ok(buf[1] == 0x82 && buf[2] == 0x81 && vsb_get16(buf + 1) == 0x8182,
           "integers: 16 bits, little endian");

    vsb_put32(buf + 1, 0x81828384);
    tap_ok(buf[1] == 0x84 && buf[4] == 0x81 &&
           vsb_get32(buf + 1) == 0x81828384, "integers: 32 bits");

    vsb_put64(buf + 1, 0x8182838485868788);
    tap_ok(buf[1] == 0x88 && buf[8] == 0x81 && !buf[0] && !buf[9] &&
           vsb_get64(buf + 1) == 0x8182838485868788, "integers: 64 bits");
}

int main(void)
{
    test_vectors();
    test_lengths();
    test_damage();
    test_counters();
    test_integers();

    return tap_done();
}
