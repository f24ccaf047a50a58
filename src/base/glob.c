/* glob.c: a pattern becomes alternatives of components, once; a path is matched against them.
 *
 * Compiling goes: text → tokens (escapes, sets and braces recognised, with their positions) → alternatives without braces → components
 * with `.` and `..` resolved. Matching keeps the set of components that may come next as one word of 64 bits (an automaton over the
 * names of the path): with `**` that may not cross certain names, the usual "match the shortest, go back to the last star" would
 * be wrong. Within a name it is right: a later `*` can do whatever an earlier one could.
 *
 * Tested against a matcher that tries everything, over all small patterns and paths (tests/unit/test_base_glob.c), and fuzzed. */
#include "base/glob.h"

#include "base/scan.h"

/* A token: a character, a byte that is none (BYTE_BASE + byte), one of the words below, or SET_BASE + index of a set. */
enum {
    BYTE_BASE = 0x110000,
    STAR = 0x200000,
    STAR_STAR,
    ANY,
    SLASH,
    OPEN,
    COMMA,
    CLOSE,
    SET_BASE = 0x400000,
};
typedef struct token { uint32_t code, at, size; } token; /* at, size: the bytes of the pattern, without the `\` */
typedef struct range { uint32_t first, last; } range;
typedef struct set { uint32_t first, count; bool is_negated; } set;
typedef RV_VEC(token) tokens;

typedef enum component_kind { LITERAL, DOUBLE_STAR, PATTERN } component_kind;
typedef struct component {
    component_kind kind;
    rv_str text;             /* LITERAL */
    const token *tokens;     /* PATTERN */
    uint32_t token_count;
} component;
typedef struct alternative {
    const component *components;
    uint32_t count;
} alternative;
struct rv_glob {
    const alternative *alternatives;
    uint32_t alternative_count;
    const set *sets;
    const range *ranges;
    rv_str prefix, literal;
};
_Static_assert(RV_GLOB_COMPONENTS_MAX < 64, "a component is a bit of a word, and the end is one more");

/* What compiling holds; `scratch` goes when it ends. */
typedef struct compiler {
    rv_str pattern, base;
    rv_arena *arena, scratch;
    RV_VEC(set) sets;
    RV_VEC(range) ranges;
    RV_VEC(alternative) alternatives;
    RV_VEC(component) path; /* of the alternative that is being read */
    bool ends_in_dots;      /* its last component was `.` or `..` */
    rv_glob_problem problem;
} compiler;

static rv_status refuse(compiler *c, rv_status status, size_t at, const char *what, const char *cure)
{
    c->problem = (rv_glob_problem){at, what, cure};
    return status;
}

/* The character at *at, which moves past it. */
static uint32_t character(rv_str text, size_t *at)
{
    const char *from = text.at + *at;
    size_t size = rv_scan_utf8(from, text.at + text.size);
    if (size == 0) return (*at)++, BYTE_BASE + (unsigned char)*from;
    *at += size;
    return rv_scan_code_point(from, size);
}

/* ---- text → tokens ------------------------------------------------------- */

/* A character of a set or a name behind a `\`, or as it stands. */
static rv_status plain(compiler *c, size_t *at, uint32_t *ret)
{
    size_t from = *at;
    if (c->pattern.at[*at] == '\\' && ++*at == c->pattern.size)
        return refuse(c, RV_INVALID, from, "a `\\` with nothing behind it", "write `\\\\` for the character itself");
    if (c->pattern.at[*at] == '/')
        return refuse(c, RV_INVALID, *at, "a `/` cannot be one of a set or stand behind a `\\`", "no name contains it");
    *ret = character(c->pattern, at);
    return RV_OK;
}

/* The set whose `[` is at *at; *at moves behind its `]`. */
static rv_status read_set(compiler *c, size_t *at, uint32_t *ret_code)
{
    size_t open = *at;
    rv_str p = c->pattern;
    set found = {.first = c->ranges.count};
    size_t i = open + 1;
    if (i < p.size && (p.at[i] == '!' || p.at[i] == '^')) found.is_negated = true, i++;
    size_t body = i;
    while (i < p.size && (p.at[i] != ']' || i == body)) {
        if (p.at[i] == '[' && i + 1 < p.size && (p.at[i + 1] == ':' || p.at[i + 1] == '.' || p.at[i + 1] == '='))
            return refuse(c, RV_INVALID, i, "named classes such as [:alpha:] are not carried out", "write the range, such as [a-zA-Z]");
        size_t first_at = i;
        range r;
        rv_status status = plain(c, &i, &r.first);
        if (status != RV_OK) return status;
        r.last = r.first;
        if (i + 1 < p.size && p.at[i] == '-' && p.at[i + 1] != ']') {
            i++;
            if ((status = plain(c, &i, &r.last)) != RV_OK) return status;
            if (r.last < r.first) return refuse(c, RV_INVALID, first_at, "a range of a set goes backwards", "write its lower end first");
        }
        rv_vec_push(&c->ranges, r);
    }
    if (i >= p.size) return refuse(c, RV_INVALID, open, "a `[` without its `]`", "write `\\[` for the character itself");
    found.count = c->ranges.count - found.first;
    *ret_code = SET_BASE + c->sets.count;
    rv_vec_push(&c->sets, found);
    *at = i + 1;
    return RV_OK;
}

/* Braces as they are read: where each open one began, and whether it has a comma. */
typedef struct braces { size_t at[RV_GLOB_DEPTH_MAX]; bool has_comma[RV_GLOB_DEPTH_MAX]; uint32_t depth; } braces;

static rv_status read_brace(compiler *c, braces *b, char mark, size_t at, uint32_t *ret_code)
{
    if (mark == '{') {
        if (b->depth == RV_GLOB_DEPTH_MAX) return refuse(c, RV_LIMIT, at, "braces are nested more than 8 deep", "");
        b->at[b->depth] = at;
        b->has_comma[b->depth++] = false;
        *ret_code = OPEN;
    } else if (mark == ',') {
        if (b->depth > 0) b->has_comma[b->depth - 1] = true;
        *ret_code = b->depth > 0 ? COMMA : ',';
    } else {
        if (b->depth == 0) return refuse(c, RV_INVALID, at, "a `}` without its `{`", "write `\\}` for the character itself");
        if (!b->has_comma[--b->depth])
            return refuse(c, RV_INVALID, b->at[b->depth], "braces around one alternative alone",
                          "write `{a,b}` for a choice; no references and no `..` stand in them");
        *ret_code = CLOSE;
    }
    return RV_OK;
}

static rv_status read_star(compiler *c, size_t *at, uint32_t *ret_code)
{
    size_t size = 0;
    while (*at + size < c->pattern.size && c->pattern.at[*at + size] == '*') size++;
    if (size > 2) return refuse(c, RV_INVALID, *at, "more than two stars in a row", "write `*` or `**`");
    *ret_code = size == 2 ? STAR_STAR : STAR;
    *at += size;
    return RV_OK;
}

static rv_status read_tokens(compiler *c, tokens *out)
{
    rv_str p = c->pattern;
    braces b = {.depth = 0};
    if (p.size == 0) return refuse(c, RV_INVALID, 0, "an empty pattern", "name a file, or write `**` for all of them");
    if (p.size > RV_GLOB_SIZE_MAX) return refuse(c, RV_LIMIT, RV_GLOB_SIZE_MAX, "a pattern over 4,096 bytes", "");
    if (p.at[0] == '!') return refuse(c, RV_INVALID, 0, "exclusions are not carried out", "write `\\!` for a name that begins with it");
    const char *nul = memchr(p.at, 0, p.size);
    if (nul) return refuse(c, RV_INVALID, (size_t)(nul - p.at), "a NUL byte", "no path contains it");
    for (size_t i = 0; i < p.size;) {
        token t = {.at = (uint32_t)i};
        rv_status status = RV_OK;
        char mark = p.at[i];
        if (mark == '*') status = read_star(c, &i, &t.code);
        else if (mark == '[') status = read_set(c, &i, &t.code);
        else if (mark == '{' || mark == ',' || mark == '}') status = read_brace(c, &b, mark, i++, &t.code);
        else if (mark == '?' || mark == '/') t.code = mark == '?' ? ANY : SLASH, i++;
        else status = plain(c, &i, &t.code);
        if (status != RV_OK) return status;
        if (mark == '\\') t.at++;
        t.size = (uint32_t)i - t.at;
        rv_vec_push(out, t);
    }
    if (b.depth == 0) return RV_OK;
    return refuse(c, RV_INVALID, b.at[b.depth - 1], "a `{` without its `}`", "write `\\{` for the character itself");
}

/* ---- tokens → alternatives ------------------------------------------------- */

/* Component `list[0..count)`, count ≥ 1, of the path that is being read. */
static rv_status add_component(compiler *c, const token *list, uint32_t count)
{
    component found = {.kind = LITERAL};
    c->ends_in_dots = false;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].code == STAR_STAR && count > 1)
            return refuse(c, RV_INVALID, list[i].at, "`**` beside something else", "it stands for whole components: write `*`, or `**/*`");
        if (list[i].code == STAR_STAR) found.kind = DOUBLE_STAR;
        else if (list[i].code >= STAR) found.kind = PATTERN;
    }
    if (found.kind == LITERAL) {
        char *text = rv_arena_alloc(c->arena, list[count - 1].at + list[count - 1].size - list[0].at + 1);
        size_t size = 0;
        for (uint32_t i = 0; i < count; size += list[i++].size) memcpy(text + size, c->pattern.at + list[i].at, list[i].size);
        found.text = (rv_str){text, size};
        c->ends_in_dots = rv_str_is(found.text, ".") || rv_str_is(found.text, "..");
        if (rv_str_is(found.text, ".")) return RV_OK;
        if (rv_str_is(found.text, "..")) {
            if (c->path.count == 0) return refuse(c, RV_INVALID, list[0].at, "`..` leads out of the root", "name something beneath it");
            if (rv_vec_pop(&c->path).kind == LITERAL) return RV_OK;
            return refuse(c, RV_INVALID, list[0].at, "`..` behind a wildcard", "write the path without it");
        }
    }
    if (found.kind == PATTERN) {
        token *kept = rv_arena_new(c->arena, token, count);
        memcpy(kept, list, count * sizeof *kept);
        found.tokens = kept;
        found.token_count = count;
    }
    if (found.kind == DOUBLE_STAR && c->path.count > 0 && c->path.at[c->path.count - 1].kind == DOUBLE_STAR) return RV_OK;
    if (c->path.count == RV_GLOB_COMPONENTS_MAX) return refuse(c, RV_LIMIT, list[0].at, "a pattern of more than 63 components", "");
    rv_vec_push(&c->path, found);
    return RV_OK;
}

static rv_status add_base(compiler *c)
{
    for (size_t at = 0; at < c->base.size;) {
        size_t end = RV_MIN(rv_str_find(c->base, at, '/'), c->base.size);
        component name = {.kind = LITERAL, .text = rv_arena_str(c->arena, rv_str_cut(c->base, at, end - at))};
        RV_ASSERT(name.text.size > 0);
        if (c->path.count == RV_GLOB_COMPONENTS_MAX) return refuse(c, RV_LIMIT, 0, "a pattern of more than 63 components", "");
        rv_vec_push(&c->path, name);
        at = end + 1;
    }
    return RV_OK;
}

/* An alternative without braces. */
static rv_status add_alternative(compiler *c, const token *list, uint32_t count)
{
    rv_status status = RV_OK;
    rv_vec_clear(&c->path);
    c->ends_in_dots = false;
    if (count == 0 || list[0].code != SLASH) status = add_base(c);
    for (uint32_t i = 0; i < count && status == RV_OK;) {
        uint32_t end = i;
        while (end < count && list[end].code != SLASH) end++;
        if (end > i) status = add_component(c, list + i, end - i);
        i = end + 1;
    }
    if (status != RV_OK) return status;
    size_t at = count ? list[count - 1].at : 0;
    if (count > 1 && list[count - 1].code == SLASH)
        return refuse(c, RV_INVALID, at, "a `/` at the end", "write `/**` for all beneath a directory");
    if (c->path.count == 0 || count == 0 || c->ends_in_dots)
        return refuse(c, RV_INVALID, at, "a pattern of a directory itself", "write `**` for all beneath it");
    component *components = rv_arena_new(c->arena, component, c->path.count);
    memcpy(components, c->path.at, c->path.count * sizeof *components);
    rv_vec_push(&c->alternatives, ((alternative){components, c->path.count}));
    return RV_OK;
}

typedef struct piece { const token *list; uint32_t count; } piece;
typedef RV_VEC(piece) pieces;

/* The alternatives of the first braces of `p`, whose `{` is at `open`, onto `rest` so that the first one is taken first. */
static void split(compiler *c, piece p, uint32_t open, pieces *rest)
{
    uint32_t depth = 0, begin = open + 1, first = rest->count, close = open;
    while (depth += p.list[close].code == OPEN, depth -= p.list[close].code == CLOSE, depth > 0) close++;
    for (uint32_t i = open + 1; i <= close; i++) {
        if (p.list[i].code == OPEN) depth++;
        else if (p.list[i].code == CLOSE && i < close) depth--;
        if (i < close && (p.list[i].code != COMMA || depth > 0)) continue;
        piece one = {.count = open + (i - begin) + (p.count - close - 1)};
        token *list = rv_arena_new(&c->scratch, token, one.count);
        memcpy(list, p.list, open * sizeof *list);
        memcpy(list + open, p.list + begin, (i - begin) * sizeof *list);
        memcpy(list + open + (i - begin), p.list + close + 1, (p.count - close - 1) * sizeof *list);
        one.list = list;
        rv_vec_push(rest, one);
        begin = i + 1;
    }
    for (uint32_t low = first, high = rest->count; low + 1 < high; low++) {
        piece other = rest->at[--high];
        rest->at[high] = rest->at[low];
        rest->at[low] = other;
    }
}

static rv_status expand(compiler *c, const tokens *all)
{
    pieces rest = {0};
    rv_status status = RV_OK;
    rv_vec_push(&rest, ((piece){all->at, all->count}));
    while (rest.count > 0 && status == RV_OK) {
        piece p = rv_vec_pop(&rest);
        uint32_t open = 0;
        while (open < p.count && p.list[open].code != OPEN) open++;
        if (open == p.count) status = add_alternative(c, p.list, p.count);
        else split(c, p, open, &rest);
        if (status == RV_OK && rest.count + c->alternatives.count > RV_GLOB_ALTERNATIVES_MAX)
            status = refuse(c, RV_LIMIT, p.list[open].at, "more than 256 alternatives", "write several patterns");
    }
    rv_vec_deinit(&rest);
    return status;
}

/* ---- the compiled pattern ---------------------------------------------------- */

static rv_str join(rv_arena *arena, const alternative *a, uint32_t count)
{
    rv_buf path = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (i) rv_buf_byte(&path, '/');
        rv_buf_str_add(&path, a->components[i].text);
    }
    rv_str kept = rv_arena_str(arena, rv_buf_str(&path));
    rv_buf_deinit(&path);
    return kept;
}

static uint32_t literal_count(const alternative *a)
{
    uint32_t count = 0;
    while (count < a->count && a->components[count].kind == LITERAL) count++;
    return count;
}

static const rv_glob *build(compiler *c)
{
    rv_glob *glob = rv_arena_new(c->arena, rv_glob, 1);
    alternative *alternatives = rv_arena_new(c->arena, alternative, c->alternatives.count);
    set *sets = rv_arena_new(c->arena, set, c->sets.count);
    range *ranges = rv_arena_new(c->arena, range, c->ranges.count);
    memcpy(alternatives, c->alternatives.at, c->alternatives.count * sizeof *alternatives);
    if (c->sets.count) memcpy(sets, c->sets.at, c->sets.count * sizeof *sets);
    if (c->ranges.count) memcpy(ranges, c->ranges.at, c->ranges.count * sizeof *ranges);
    *glob = (rv_glob){.alternatives = alternatives, .alternative_count = c->alternatives.count, .sets = sets, .ranges = ranges};
    const alternative *first = &alternatives[0];
    uint32_t common = RV_MIN(literal_count(first), first->count - 1);
    for (uint32_t i = 1; i < glob->alternative_count; i++) {
        const alternative *a = &alternatives[i];
        uint32_t same = 0, most = RV_MIN(common, RV_MIN(literal_count(a), a->count - 1));
        while (same < most && rv_str_eq(a->components[same].text, first->components[same].text)) same++;
        common = same;
    }
    glob->prefix = join(c->arena, first, common);
    if (glob->alternative_count == 1 && literal_count(first) == first->count) glob->literal = join(c->arena, first, first->count);
    return glob;
}

rv_status rv_glob_compile(rv_str pattern, rv_str base, rv_arena *arena, const rv_glob **ret, rv_glob_problem *ret_problem)
{
    compiler c = {.pattern = pattern, .base = base, .arena = arena};
    tokens all = {0};
    RV_ASSERT(base.size <= RV_GLOB_SIZE_MAX);
    rv_status status = read_tokens(&c, &all);
    if (status == RV_OK) status = expand(&c, &all);
    if (status == RV_OK) *ret = build(&c);
    else if (ret_problem) *ret_problem = c.problem;
    rv_vec_deinit(&all);
    rv_vec_deinit(&c.sets);
    rv_vec_deinit(&c.ranges);
    rv_vec_deinit(&c.alternatives);
    rv_vec_deinit(&c.path);
    rv_arena_deinit(&c.scratch);
    return status;
}

rv_str rv_glob_prefix(const rv_glob *glob) { return glob->prefix; }
rv_str rv_glob_literal(const rv_glob *glob) { return glob->literal; }

void rv_glob_escape(rv_buf *out, rv_str text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (memchr("*?[]{},\\!", text.at[i], 9)) rv_buf_byte(out, '\\');
        rv_buf_byte(out, text.at[i]);
    }
}

/* ---- matching ------------------------------------------------------------------ */

static bool is_one_of(const rv_glob *glob, const set *s, uint32_t code)
{
    bool found = false;
    for (uint32_t i = s->first; i < s->first + s->count && !found; i++)
        found = code >= glob->ranges[i].first && code <= glob->ranges[i].last;
    return found != s->is_negated;
}

static bool token_matches(const rv_glob *glob, uint32_t token_code, uint32_t code)
{
    if (token_code >= SET_BASE) return is_one_of(glob, &glob->sets[token_code - SET_BASE], code);
    return token_code == ANY || token_code == code;
}

/* A name against a component with wildcards: on a mismatch the last star takes one character more. */
static bool name_matches(const rv_glob *glob, const component *part, rv_str name)
{
    const token *t = part->tokens;
    if (name.at[0] == '.' && t[0].code != '.') return false;
    uint32_t i = 0, star = RV_NONE;
    size_t at = 0, star_at = 0;
    while (at < name.size) {
        if (i < part->token_count && t[i].code == STAR) {
            star = i++;
            star_at = at;
            continue;
        }
        size_t next = at;
        uint32_t code = character(name, &next);
        if (i < part->token_count && token_matches(glob, t[i].code, code)) {
            i++;
            at = next;
            continue;
        }
        if (star == RV_NONE) return false;
        (void)character(name, &star_at);
        at = star_at;
        i = star + 1;
    }
    while (i < part->token_count && t[i].code == STAR) i++;
    return i == part->token_count;
}

/* `**` that is not the last component may also be nothing: what comes behind it may be next, too. */
static uint64_t widen(const alternative *a, uint64_t next)
{
    for (uint32_t i = 0; i + 1 < a->count; i++)
        if ((next >> i & 1) && a->components[i].kind == DOUBLE_STAR) next |= (uint64_t)1 << (i + 1);
    return next;
}

/* Which components may be next (bit `count`: none, all of them are matched) behind `name`, when those of `from` might have been at it. */
static uint64_t step(const rv_glob *glob, const alternative *a, uint64_t from, rv_str name)
{
    uint64_t next = 0;
    for (uint64_t left = from & (((uint64_t)1 << a->count) - 1); left; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        const component *part = &a->components[i];
        if (part->kind == DOUBLE_STAR) {
            if (rv_str_is(name, ".git") || rv_str_is(name, ".reeve")) continue;
            next |= (uint64_t)(i + 1 == a->count ? 3 : 1) << i;
        } else if (part->kind == LITERAL ? rv_str_eq(part->text, name) : name_matches(glob, part, name)) {
            next |= (uint64_t)1 << (i + 1);
        }
    }
    return widen(a, next);
}

static uint64_t steps(const rv_glob *glob, const alternative *a, rv_str path)
{
    uint64_t next = widen(a, 1);
    for (size_t at = 0; at < path.size && next;) {
        size_t end = RV_MIN(rv_str_find(path, at, '/'), path.size);
        next = step(glob, a, next, (rv_str){path.at + at, end - at});
        at = end + 1;
    }
    return next;
}

bool rv_glob_match(const rv_glob *glob, rv_str path)
{
    RV_ASSERT(path.size > 0);
    if (glob->literal.at) return rv_str_eq(glob->literal, path);
    for (uint32_t i = 0; i < glob->alternative_count; i++)
        if (steps(glob, &glob->alternatives[i], path) >> glob->alternatives[i].count & 1) return true;
    return false;
}

bool rv_glob_may_hold(const rv_glob *glob, rv_str dir)
{
    for (uint32_t i = 0; i < glob->alternative_count; i++)
        if (steps(glob, &glob->alternatives[i], dir) & (((uint64_t)1 << glob->alternatives[i].count) - 1)) return true;
    return false;
}
