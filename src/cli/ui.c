#include "cli/ui.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        const char *value = getenv(names[i]);
        if (!value || !value[0]) continue;
        return strstr(value, "UTF-8") || strstr(value, "utf-8") || strstr(value, "UTF8") || strstr(value, "utf8");
    }
    return false;
}

const rv_ui *rv_ui_get(void)
{
    static rv_ui ui;
    static bool is_known;
    if (is_known) return &ui;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool is_dumb = !term || strcmp(term, "dumb") == 0;
    ui.is_terminal = isatty(STDOUT_FILENO) && !is_dumb;
    ui.has_color = ui.is_terminal && !(no_color && no_color[0]);
    ui.is_utf8 = locale_is_utf8();
    is_known = true;
    return &ui;
}

void rv_ui_size(uint32_t *ret_columns, uint32_t *ret_rows)
{
    struct winsize size = {0};
    *ret_columns = 100;
    *ret_rows = 30;
    if (!rv_ui_get()->is_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
    if (size.ws_col >= 20) *ret_columns = size.ws_col;
    if (size.ws_row >= 5) *ret_rows = size.ws_row;
}

static const char *const style_begin[RV_STYLE_COUNT] = {
    [RV_STYLE_NONE] = "",          [RV_STYLE_BOLD] = "\033[1m",    [RV_STYLE_DIM] = "\033[2m",   [RV_STYLE_RED] = "\033[31m",
    [RV_STYLE_GREEN] = "\033[32m", [RV_STYLE_YELLOW] = "\033[33m", [RV_STYLE_BLUE] = "\033[34m", [RV_STYLE_CYAN] = "\033[36m",
};

void rv_ui_style(rv_buf *out, rv_style style, rv_str text)
{
    if (style == RV_STYLE_NONE || !rv_ui_get()->has_color) {
        rv_buf_str_add(out, text);
        return;
    }
    rv_buf_cstring(out, style_begin[style]);
    rv_buf_str_add(out, text);
    rv_buf_cstring(out, "\033[0m");
}

void rv_ui_stylef(rv_buf *out, rv_style style, const char *fmt, ...)
{
    rv_buf text = {0};
    va_list args;
    va_start(args, fmt);
    rv_buf_vprintf(&text, fmt, args);
    va_end(args);
    rv_ui_style(out, style, rv_buf_str(&text));
    rv_buf_deinit(&text);
}

/* Size of the escape sequence at the beginning of `text` (ECMA-48: CSI, OSC, two-byte ones), at least 1. */
static size_t escape_size(rv_str text)
{
    if (text.size < 2) return 1;
    char kind = text.at[1];
    size_t i = 2;
    if (kind == '[') {
        while (i < text.size && !(text.at[i] >= 0x40 && text.at[i] <= 0x7e)) i++;
        return RV_MIN(i + 1, text.size);
    }
    if (kind == ']' || kind == 'P' || kind == '^' || kind == '_') {
        while (i < text.size && text.at[i] != '\a' && text.at[i] != '\033') i++;
        if (i < text.size && text.at[i] == '\033') i++; /* ESC \ ends it */
        return RV_MIN(i + 1, text.size);
    }
    return 2;
}

/* Bytes of the character at the beginning of `text`; 0: not UTF-8. */
static size_t character_size(rv_str text)
{
    unsigned char lead = (unsigned char)text.at[0];
    size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (size == 0 || size > text.size || rv_utf8_valid(rv_str_cut(text, 0, size)) != size) return 0;
    if (size == 2 && lead == 0xc2 && (unsigned char)text.at[1] < 0xa0) return 0; /* C1 control */
    return size;
}

void rv_ui_plain(rv_buf *out, rv_str text, uint32_t columns_max)
{
    uint32_t columns = 0;
    size_t mark = out->size; /* where an ellipsis would go */
    for (size_t i = 0; i < text.size;) {
        rv_str rest = rv_str_from(text, i);
        if (rest.at[0] == '\033') {
            i += escape_size(rest);
            continue;
        }
        size_t size = character_size(rest);
        rv_str shown = size ? rv_str_cut(rest, 0, size) : RV_STR("?");
        if ((unsigned char)shown.at[0] < 0x20 || shown.at[0] == 0x7f) shown = RV_STR(" ");
        uint32_t width = (uint32_t)rv_utf8_columns(shown);
        if (columns_max && columns + width > columns_max) {
            out->size = mark;
            rv_buf_cstring(out, rv_ui_glyph(RV_GLYPH_ELLIPSIS));
            return;
        }
        if (!columns_max || columns + width < columns_max) mark = out->size + shown.size;
        rv_buf_str_add(out, shown);
        columns += width;
        i += size ? size : 1;
    }
}

uint32_t rv_ui_columns(rv_str text)
{
    uint32_t columns = 0;
    size_t begin = 0, plain = 0;
    while (plain < text.size && text.at[plain] >= ' ' && text.at[plain] <= '~') plain++;
    if (plain == text.size) return (uint32_t)plain; /* most texts */
    for (size_t i = plain; i < text.size;) {
        if (text.at[i] != '\033') {
            i++;
            continue;
        }
        columns += (uint32_t)rv_utf8_columns(rv_str_cut(text, begin, i - begin));
        i += escape_size(rv_str_from(text, i));
        begin = i;
    }
    return columns + (uint32_t)rv_utf8_columns(rv_str_from(text, begin));
}

void rv_ui_pad(rv_buf *out, size_t from, uint32_t columns)
{
    uint32_t have = rv_ui_columns(rv_str_from(rv_buf_str(out), from));
    for (; have < columns; have++) rv_buf_byte(out, ' ');
}

static const struct state_look { const char *utf8, *ascii; rv_style style; } node_looks[RV_NODE_STATE_COUNT] = {
    [RV_NODE_PENDING] = {"○", "o", RV_STYLE_DIM},     [RV_NODE_READY] = {"○", "o", RV_STYLE_NONE},
    [RV_NODE_RUNNING] = {"●", "*", RV_STYLE_BLUE},    [RV_NODE_WAITING] = {"⏸", "=", RV_STYLE_YELLOW},
    [RV_NODE_SUCCEEDED] = {"✓", "+", RV_STYLE_GREEN}, [RV_NODE_PARTIAL] = {"✓", "+", RV_STYLE_YELLOW},
    [RV_NODE_FAILED] = {"✗", "x", RV_STYLE_RED},      [RV_NODE_DENIED] = {"✗", "x", RV_STYLE_RED},
    [RV_NODE_SKIPPED] = {"↷", ">", RV_STYLE_DIM},     [RV_NODE_CANCELLED] = {"✗", "x", RV_STYLE_YELLOW},
};

const char *rv_ui_node_glyph(rv_node_state state)
{
    RV_ASSERT(state < RV_NODE_STATE_COUNT);
    return rv_ui_get()->is_utf8 ? node_looks[state].utf8 : node_looks[state].ascii;
}

rv_style rv_ui_node_style(rv_node_state state)
{
    RV_ASSERT(state < RV_NODE_STATE_COUNT);
    return node_looks[state].style;
}

/* A run's status looks like the state of a node that stands where it stands. */
static rv_node_state run_as_node(rv_str status)
{
    static const struct { const char *status; rv_node_state state; } rows[] = {
        {"ok", RV_NODE_SUCCEEDED},      {"error", RV_NODE_FAILED},    {"timeout", RV_NODE_FAILED},      {"cancelled", RV_NODE_CANCELLED},
        {"over_budget", RV_NODE_FAILED}, {"running", RV_NODE_RUNNING}, {"interrupted", RV_NODE_WAITING}, {"waiting", RV_NODE_WAITING},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++)
        if (rv_str_is(status, rows[i].status)) return rows[i].state;
    return RV_NODE_PENDING;
}

const char *rv_ui_run_glyph(rv_str status) { return rv_ui_node_glyph(run_as_node(status)); }
rv_style rv_ui_run_style(rv_str status) { return rv_ui_node_style(run_as_node(status)); }

const char *rv_ui_glyph(rv_glyph glyph)
{
    static const char *const utf8[RV_GLYPH_COUNT] = {"—", "·", "│", "…", "←", "├─ ", "└─ ", "│  "};
    static const char *const ascii[RV_GLYPH_COUNT] = {"-", "-", "|", ".", "<-", "|- ", "`- ", "|  "};
    RV_ASSERT(glyph < RV_GLYPH_COUNT);
    return rv_ui_get()->is_utf8 ? utf8[glyph] : ascii[glyph];
}

int64_t rv_ui_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void rv_ui_time(rv_buf *out, int64_t wall_ms, int64_t now_ms)
{
    if (wall_ms == 0) {
        rv_buf_cstring(out, rv_ui_glyph(RV_GLYPH_DASH));
        return;
    }
    time_t then = (time_t)(wall_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm then_parts, now_parts;
    localtime_r(&then, &then_parts);
    localtime_r(&now, &now_parts);
    bool is_today = then_parts.tm_year == now_parts.tm_year && then_parts.tm_yday == now_parts.tm_yday;
    char text[32];
    size_t size = strftime(text, sizeof text, is_today ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &then_parts);
    rv_buf_add(out, text, size);
}

void rv_ui_shell_word(rv_buf *out, rv_str word)
{
    bool is_safe = word.size > 0;
    for (size_t i = 0; i < word.size && is_safe; i++) {
        char c = word.at[i];
        is_safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-./:=@%+,~", c));
    }
    if (is_safe && word.at[0] != '~') {
        rv_buf_str_add(out, word);
        return;
    }
    rv_buf_byte(out, '\'');
    for (size_t i = 0; i < word.size; i++) {
        if (word.at[i] == '\'') rv_buf_cstring(out, "'\\''");
        else rv_buf_byte(out, word.at[i]);
    }
    rv_buf_byte(out, '\'');
}
