#include "base/util.h"

/* RFC 4648, section 4. */

void rv_base64_write(rv_buf *out, rv_str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = (const uint8_t *)bytes.at;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t bits = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
        rv_buf_byte(out, digits[bits >> 18 & 63]);
        rv_buf_byte(out, digits[bits >> 12 & 63]);
        rv_buf_byte(out, left > 1 ? digits[bits >> 6 & 63] : '=');
        rv_buf_byte(out, left > 2 ? digits[bits & 63] : '=');
    }
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool rv_base64_read(rv_str text, rv_buf *out)
{
    size_t padding = 0;
    if (text.size % 4 != 0) return false;
    while (padding < 2 && padding < text.size && text.at[text.size - 1 - padding] == '=') padding++;
    for (size_t i = 0; i < text.size; i += 4) {
        uint32_t bits = 0;
        size_t count = i + 4 == text.size ? 4 - padding : 4;
        for (size_t k = 0; k < 4; k++) {
            int digit = k < count ? digit_of(text.at[i + k]) : 0;
            if (digit < 0) return false;
            bits = bits << 6 | (uint32_t)digit;
        }
        if (count < 4 && (bits & (count == 3 ? 0xffu : 0xffffu))) return false; /* bits that no byte has */
        for (size_t k = 0; k + 1 < count; k++) rv_buf_byte(out, (char)(uint8_t)(bits >> (16 - 8 * k)));
    }
    return true;
}
