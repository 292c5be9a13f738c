/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: the UUID that L3's firmware has put into its memory.
 *
 * SMBIOS reference specification 3.6: entry points (5.2), structure header
 * (6.1.2), system information with the UUID (7.2). L3 and L2 can change all of
 * it while it is read: each piece is copied once and checked after that.
 */

#include "vsb.h"

#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/support.h>

#define SMBIOS_AREA     0xf0000ul
#define SMBIOS_AREA_END 0x100000ul
#define SMBIOS_TABLE    4096u
#define SMBIOS_STRUCTS  64u
#define SMBIOS_ANCHORS  16u     /* looked at: each one costs walks of tables */

/* Copy from L3's physical memory, within a page. */
static bool copy_from_l3(struct vcpu *v, void *buf, paddr_t gpa,
                         unsigned int len)
{
    struct npfec npfec = { .read_access = 1 };
    paddr_t l2_gpa = gpa;
    unsigned int order;
    uint8_t access;

    if ( (gpa & ~PAGE_MASK) + len > PAGE_SIZE )
        return false;

    /*
     * Without nested paging L3's memory is where L2's shadow tables say, by L3's
     * own addresses. At @gpa there is L2's, with L2's label.
     */
    if ( !nestedhvm_paging_mode_hap(v) ||
         nhvm_hap_walk_L1_p2m(v, gpa, &l2_gpa, &order, &access,
                              npfec) != NESTEDHVM_PAGEFAULT_DONE )
        return false;

    return hvm_copy_from_guest_phys(buf, l2_gpa, len) == HVMTRANS_okay;
}

struct smbios
{
    paddr_t table;
    unsigned int len;
    bool since_2_6;
};

static bool find_smbios(struct vcpu *v, struct smbios *smbios)
{
    unsigned int anchors = 0;
    paddr_t gpa;

    for ( gpa = SMBIOS_AREA; gpa < SMBIOS_AREA_END; gpa += 256 )
    {
        uint8_t chunk[256];
        unsigned int i;

        if ( !copy_from_l3(v, chunk, gpa, sizeof(chunk)) )
        {
            gpa = (gpa & PAGE_MASK) + PAGE_SIZE - 256;
            continue;
        }

        for ( i = 0; i < sizeof(chunk); i += 16 )
        {
            uint8_t entry[31];

            if ( memcmp(chunk + i, "_SM_", 4) && memcmp(chunk + i, "_SM3_", 5) )
                continue;

            if ( ++anchors > SMBIOS_ANCHORS )
                return false;

            if ( !copy_from_l3(v, entry, gpa + i, 24) )
                continue;

            if ( !memcmp(entry, "_SM3_", 5) )
            {
                smbios->since_2_6 = true;
                smbios->len = SMBIOS_TABLE;
                memcpy(&smbios->table, entry + 0x10, 8);
                return true;
            }

            if ( copy_from_l3(v, entry, gpa + i, sizeof(entry)) &&
                 !memcmp(entry + 0x10, "_DMI_", 5) )
            {
                uint32_t address;
                uint16_t length;

                memcpy(&length, entry + 0x16, 2);
                memcpy(&address, entry + 0x18, 4);
                smbios->since_2_6 = entry[6] > 2 ||
                                    (entry[6] == 2 && entry[7] >= 6);
                smbios->len = length;
                smbios->table = address;
                return true;
            }
        }
    }

    return false;
}

/* The end of the strings that follow a structure's formatted part. */
static bool skip_strings(struct vcpu *v, paddr_t *gpa, paddr_t end)
{
    uint8_t last = 1;

    while ( *gpa < end )
    {
        uint8_t c;

        if ( !copy_from_l3(v, &c, (*gpa)++, 1) )
            return false;
        if ( !c && !last )
            return true;
        last = c;
    }

    return false;
}

/* All zeroes or ones mean that there is none (7.2.1). */
static bool is_set(const uint8_t uuid[16])
{
    unsigned int i;

    for ( i = 1; i < 16; i++ )
        if ( uuid[i] != uuid[0] )
            return true;

    return uuid[0] != 0 && uuid[0] != 0xff;
}

bool vsb_smbios_uuid(struct vcpu *v, uint8_t uuid[16])
{
    struct smbios smbios;
    paddr_t gpa, end;
    unsigned int i, j;

    if ( !find_smbios(v, &smbios) )
        return false;

    gpa = smbios.table;
    end = gpa + min(smbios.len, SMBIOS_TABLE);

    for ( i = 0; i < SMBIOS_STRUCTS && gpa + 4 <= end; i++ )
    {
        uint8_t head[4], raw[16];

        for ( j = 0; j < sizeof(head); j++ )
            if ( !copy_from_l3(v, &head[j], gpa + j, 1) )
                return false;

        if ( head[1] < sizeof(head) )
            return false;

        if ( head[0] == 1 && head[1] >= 0x18 )
        {
            /*
             * The first three fields are little endian since SMBIOS 2.6. Before
             * it did not say; Xen's firmware (2.4) takes RFC 4122's order.
             */
            static const uint8_t order[16] = {
                3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
            };

            for ( j = 0; j < sizeof(raw); j++ )
                if ( !copy_from_l3(v, &raw[j], gpa + 8 + j, 1) )
                    return false;
            for ( j = 0; j < sizeof(raw); j++ )
                uuid[j] = raw[smbios.since_2_6 ? order[j] : j];
            return is_set(uuid);
        }

        gpa += head[1];
        if ( !skip_strings(v, &gpa, end) )
            return false;
    }

    return false;
}
