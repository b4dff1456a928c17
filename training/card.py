def model_card(options, summary):
    import json
    return json.dumps({"o":options,"s":summary})
