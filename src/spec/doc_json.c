#include "spec/doc.h"

#define SPEND_SIZE ((size_t)2 << 20) /* bytes that are read before they are given back */

static void text(rv_doc *doc, const rv_json_reader *reader, rv_doc_kind kind)
{
    uint32_t at = (uint32_t)(reader->text.at - doc->source.at), size = (uint32_t)reader->text.size;
    uint8_t flags = 0;
    if (kind == RV_DOC_STRING && reader->has_escapes) {
        at = (uint32_t)doc->pool.size;
        rv_json_unescape(&doc->pool, reader->text);
        size = (uint32_t)doc->pool.size - at;
        flags = RV_DOC_POOLED;
    }
    rv_doc_scalar(doc, kind, flags, at, size, (uint32_t)reader->offset);
}

static rv_status fail(rv_doc *doc, const rv_json_reader *reader)
{
    bool is_blank = !doc->spent;
    for (size_t i = 0; i < doc->source.size && is_blank; i++) is_blank = strchr(" \t\r\n", doc->source.at[i]) != NULL;
    if (is_blank) rv_doc_problem(doc, 0, false, RV_STR("`reeve init` writes an example"), "the file is empty");
    else rv_doc_problem(doc, (uint32_t)reader->offset, false, RV_STR("correct the JSON"), "%s", reader->error);
    return RV_INVALID;
}

rv_status rv_doc_read_json(rv_doc *doc)
{
    rv_json_reader reader;
    rv_json_reader_init(&reader, doc->source);
    rv_vec_reserve(&doc->values, (uint32_t)(doc->source.size / 12 + 16));
    if (!doc->spent) rv_vec_reserve(&doc->offsets, doc->values.capacity);
    for (size_t spent = 0;;) {
        rv_json_token token = rv_json_next(&reader);
        uint32_t offset = (uint32_t)reader.offset;
        if (offset - spent >= SPEND_SIZE) rv_doc_spend(doc, spent = offset);
        switch (token) {
        case RV_JSON_T_ERROR: return fail(doc, &reader);
        case RV_JSON_T_END: return RV_OK;
        case RV_JSON_T_NULL: rv_doc_scalar(doc, RV_DOC_NULL, 0, offset, 4, offset); break;
        case RV_JSON_T_FALSE: rv_doc_scalar(doc, RV_DOC_FALSE, 0, offset, 5, offset); break;
        case RV_JSON_T_TRUE: rv_doc_scalar(doc, RV_DOC_TRUE, 0, offset, 4, offset); break;
        case RV_JSON_T_NUMBER: text(doc, &reader, RV_DOC_NUMBER); break;
        case RV_JSON_T_STRING:
        case RV_JSON_T_KEY: text(doc, &reader, RV_DOC_STRING); break;
        case RV_JSON_T_ARRAY_BEGIN:
            if (!rv_doc_begin(doc, RV_DOC_LIST, offset)) return RV_INVALID;
            break;
        case RV_JSON_T_OBJECT_BEGIN:
            if (!rv_doc_begin(doc, RV_DOC_MAP, offset)) return RV_INVALID;
            break;
        case RV_JSON_T_ARRAY_END:
        case RV_JSON_T_OBJECT_END: rv_doc_end(doc); break;
        }
    }
}
