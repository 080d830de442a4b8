// Package recipe forms the image of a kernel module from the objects it was
// linked from, exactly, without a linker.
//
// The signature of a module covers bytes, and those are one linker's: another
// version of it orders sections, symbols or relocations otherwise, and what
// kbuild does behind the link no target can repeat. A [Recipe] is made where
// the module is built, by comparing the objects with the module ([Make]). It
// says where each section of the objects went, in which order their symbols
// are, and spells out the rest: headers, the build ID, what was added to the
// module since. On the target it is applied ([Recipe.Apply]): sections are
// copied, relocations are moved along, the table of names is built again.
//
// A recipe has a few kilobytes, for a module of megabytes. It is no means to
// ship a module without its objects: [Recipe.Literals] counts what it spells
// out.
//
// What always holds:
//
//   - [Make] returns only what it has applied and found to give the image.
//   - Symbols and sections are meant by their numbers. Nothing is looked up by
//     its name; what a linker decides by a rule is a numbered rule of the
//     format ([Rules]), or spelt out.
//   - A recipe and the objects may be hostile. [Parse] proves that the parts
//     of the image are disjoint and within it and that its size is in
//     proportion to the objects and the recipe, and takes memory in proportion
//     to the recipe; [Recipe.Apply] proves where sections go before it
//     allocates the image, and the rest while it forms it. Both take time in
//     proportion to B log B, with B the bytes of recipe, objects and image.
//   - Whether the image is right, its digest decides, not the recipe.
//
// The format is specified to the byte in docs/recipe-format.md.
package recipe
