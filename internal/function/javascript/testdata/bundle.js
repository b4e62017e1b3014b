var __nex = (() => {
  var __defProp = Object.defineProperty;
  var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
  var __getOwnPropNames = Object.getOwnPropertyNames;
  var __hasOwnProp = Object.prototype.hasOwnProperty;
  var __export = (target, all) => {
    for (var name in all)
      __defProp(target, name, { get: all[name], enumerable: true });
  };
  var __copyProps = (to, from, except, desc) => {
    if (from && typeof from === "object" || typeof from === "function") {
      for (let key of __getOwnPropNames(from))
        if (!__hasOwnProp.call(to, key) && key !== except)
          __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
    }
    return to;
  };
  var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

  // src/main.ts
  var main_exports = {};
  __export(main_exports, {
    default: () => main_default
  });

  // src/greet.ts
  function fail(name) {
    throw new Error("boom");
  }

  // src/main.ts
  var main_default = (subject) => {
    console.error(new Error("seen"));
    return fail(subject);
  };
  return __toCommonJS(main_exports);
})();
__nex.default
//# sourceMappingURL=data:application/json;base64,ewogICJ2ZXJzaW9uIjogMywKICAic291cmNlcyI6IFsic3JjL21haW4udHMiLCAic3JjL2dyZWV0LnRzIl0sCiAgIm1hcHBpbmdzIjogIjs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7QUFBQTtBQUFBO0FBQUE7QUFBQTs7O0FDQ08sV0FBUyxLQUFLLE1BQW1CO0FBQ3RDLFVBQU0sSUFBSSxNQUFNLE1BQU07QUFBQSxFQUN4Qjs7O0FEQUEsTUFBTyxlQUFRLENBQUMsWUFBb0I7QUFDbEMsWUFBUSxNQUFNLElBQUksTUFBTSxNQUFNLENBQUM7QUFDL0IsV0FBTyxLQUFLLE9BQU87QUFBQSxFQUNyQjsiLAogICJuYW1lcyI6IFtdCn0K
