#include "base/json.h"
#include "blob/blob.h"

void rv_mask_json(const rv_mask *mask, rv_str json, rv_buf *out)
{
    rv_json_reader reader;
    rv_json_writer w;
    rv_json_token token;
    rv_buf text = {0}, masked = {0};
    rv_json_writer_init(&w, out, 0);
    rv_json_reader_init(&reader, json);
    while ((token = rv_json_next(&reader)) != RV_JSON_T_END) {
        bool is_text = token == RV_JSON_T_STRING || token == RV_JSON_T_KEY || token == RV_JSON_T_NUMBER;
        rv_buf_clear(&text), rv_buf_clear(&masked);
        if (is_text && token == RV_JSON_T_NUMBER) rv_buf_str_add(&text, reader.text);
        else if (is_text) rv_json_unescape(&text, reader.text);
        if (is_text) rv_mask_whole(mask, rv_buf_str(&text), &masked);
        switch (token) {
        case RV_JSON_T_KEY: rv_jw_key_str(&w, rv_buf_str(&masked)); break;
        case RV_JSON_T_STRING: rv_jw_str(&w, rv_buf_str(&masked)); break;
        case RV_JSON_T_NUMBER:
            if (rv_str_eq(rv_buf_str(&text), rv_buf_str(&masked))) rv_jw_raw(&w, reader.text);
            else rv_jw_str(&w, rv_buf_str(&masked));
            break;
        case RV_JSON_T_NULL: rv_jw_null(&w); break;
        case RV_JSON_T_TRUE: case RV_JSON_T_FALSE: rv_jw_bool(&w, token == RV_JSON_T_TRUE); break;
        case RV_JSON_T_OBJECT_BEGIN: rv_jw_object(&w); break;
        case RV_JSON_T_OBJECT_END: rv_jw_object_end(&w); break;
        case RV_JSON_T_ARRAY_BEGIN: rv_jw_array(&w); break;
        case RV_JSON_T_ARRAY_END: rv_jw_array_end(&w); break;
        case RV_JSON_T_ERROR: case RV_JSON_T_END: RV_UNREACHABLE(); /* it was parsed before */
        }
    }
    rv_buf_deinit(&text);
    rv_buf_deinit(&masked);
}
