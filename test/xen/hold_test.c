/* SPDX-License-Identifier: GPL-2.0-only */
/* HOLD (protocol.c): no guest runs from the answer on, for as long as was asked. */

#include "frame.h"
#include "shim.h"
#include "tap.h"

#define RESULT      0x06
#define OK          0
#define BAD         2
#define TAG         0x1234

static const uint8_t hello[] = { 0x81, 0xff, 0, 0, 1, 0 };

static void ask(uint8_t slot, unsigned int ms, unsigned int len)
{
    uint8_t payload[] = { 0x8c, slot, 0, 0, TAG & 0xff, TAG >> 8,
                          ms & 0xff, ms >> 8 };

    shim_receive(payload, VSB_FRAME_HEADER + len);
}

/* All that is sent; the status of the last answer, or -1. */
static int answer(void)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    int status = -1;

    while ( shim_next(payload) )
        if ( payload[0] == RESULT &&
             vsb_get16(payload + VSB_FRAME_HEADER) == TAG )
            status = payload[VSB_FRAME_HEADER + 3];

    return status;
}

static bool holds_at(s_time_t from_now)
{
    return vsb_protocol_holds(shim_now + from_now);
}

int main(void)
{
    shim_reset();
    shim_receive(hello, sizeof(hello));
    answer();
    tap_ok(!holds_at(0), "nothing is held of itself");

    ask(0xff, 500, 4);
    tap_ok(!holds_at(0), "not before the answer");
    shim_now += MILLISECS(7);
    tap_ok(answer() == OK && holds_at(0), "from the answer on");
    tap_ok(holds_at(MILLISECS(500) - 1) && !holds_at(MILLISECS(500)),
           "for the time asked for");

    ask(0xff, 0, 4);
    tap_ok(!holds_at(0) && answer() == OK && !holds_at(0), "until 0 ms is asked for");

    ask(0xff, 1000, 4);
    answer();
    tap_ok(holds_at(MILLISECS(1000) - 1) && !holds_at(MILLISECS(1000)),
           "for a second at most");
    shim_receive(hello, sizeof(hello));
    tap_ok(!holds_at(0), "until somebody else says hello");
    answer();

    ask(0xff, 1001, 4);
    tap_ok(answer() == BAD && !holds_at(0), "not for longer");
    ask(0xff, 500, 3);
    tap_ok(answer() == BAD && !holds_at(0), "not for half a number");
    ask(0, 500, 4);
    answer();
    tap_ok(!holds_at(0), "not for a user VM");

    ask(0xff, 500, 4);
    shim_receive(hello, sizeof(hello));
    answer();
    tap_ok(!holds_at(0), "not for somebody who has gone");

    return tap_done();
}
